/* Webshells: a request decides what is run. */

rule webshell_php_request_runs_code : webshell
{
    meta:
        description = "PHP that runs what a request sends"
        severity = "critical"
        confidence = "medium"
        mitre_attack = "T1505.003"
        remediation = "Take the site offline, compare its files with the image, look for how the file was written, and rotate what the container could read."
    strings:
        $run = /\b(eval|assert|system|exec|shell_exec|passthru|popen|proc_open)\s{0,4}\(\s{0,4}@?(base64_decode\s{0,4}\(\s{0,4}|stripslashes\s{0,4}\(\s{0,4})?@?\$_(GET|POST|REQUEST|COOKIE)\s{0,4}\[/ nocase
        $ticks = /`\s{0,4}\$_(GET|POST|REQUEST|COOKIE)\s{0,4}\[[^\]\x00]{1,40}\]\s{0,4}`/
    condition:
        any of them
}

rule webshell_php_packed_code : webshell
{
    meta:
        description = "PHP that unpacks code and runs it"
        severity = "high"
        confidence = "medium"
        mitre_attack = "T1505.003"
        remediation = "Unpack it without running it, compare the site's files with the image, and look for how the file was written."
    strings:
        $run = /\b(eval|assert)\s{0,4}\(\s{0,4}@?((gzinflate|gzuncompress|gzdecode|str_rot13|strrev)\s{0,4}\(\s{0,4}){1,4}base64_decode\s{0,4}\(/ nocase
        $direct = /\beval\s{0,4}\(\s{0,4}base64_decode\s{0,4}\(\s{0,4}["'][0-9A-Za-z+\/=]{40}/ nocase
    condition:
        any of them
}

rule webshell_jsp_request_runs_command : webshell
{
    meta:
        description = "JSP that runs a command from a request"
        severity = "critical"
        confidence = "high"
        mitre_attack = "T1505.003"
        remediation = "Take the application offline, remove the page and its compiled class, and rotate what the container could read."
    strings:
        $run = /getRuntime\s?\(\s?\)\s?\.\s?exec\s?\(\s?(new String\s?\(\s?)?request\s?\.\s?getParameter/ ascii wide
        $build = /new\s{1,4}ProcessBuilder\s?\([^;\x00]{0,80}request\s?\.\s?getParameter/ ascii wide
    condition:
        any of them
}

/* Reverse shells: one-liners that tie a shell to a connection. */

rule reverse_shell_bash_device : reverse_shell
{
    meta:
        description = "Shell tied to a connection by /dev/tcp"
        severity = "critical"
        confidence = "high"
        mitre_attack = "T1059.004"
        remediation = "Isolate the node, block the peer, look for what started the shell, and rotate what the container could reach."
    strings:
        $interactive = /\b(ba|k|z|da)?sh\s{1,4}-i\s{0,4}(>&|&>|>\s?&)\s{0,4}\/dev\/(tcp|udp)\/[0-9A-Za-z.-]{3,64}\/[0-9]{1,5}/
        // A connection alone may be a check of health: a shell must read from it, or run its lines.
        $descriptor = /exec\s{1,4}[0-9]{1,3}<>\s{0,4}\/dev\/(tcp|udp)\/[0-9A-Za-z.-]{3,64}\/[0-9]{1,5}[^\x00\n]{1,120}\b(ba|k|z|da)?sh(\s{1,4}-[a-z]{1,4})?\s{0,4}([12]?>{1,2}&\s?[0-9]{1,3}\s{0,4}){0,2}0?<\s?&\s?[0-9]{1,3}/
        $lines = /exec\s{1,4}[0-9]{1,3}<>\s{0,4}\/dev\/(tcp|udp)\/[0-9A-Za-z.-]{3,64}\/[0-9]{1,5}[^\x00\n]{1,120}\bwhile\s{1,4}read\s[^\x00\n]{1,20}do\s{1,4}("?\$\{?[A-Za-z_]|eval\s|(ba|k|z|da)?sh\s{1,4}-c)/
    condition:
        any of them
}

rule reverse_shell_netcat : reverse_shell
{
    meta:
        description = "Shell tied to a connection by netcat"
        severity = "critical"
        confidence = "high"
        mitre_attack = "T1059.004"
        remediation = "Isolate the node, block the peer, look for what started the shell, and rotate what the container could reach."
    strings:
        // Arguments lie one after the other, with a NUL between them.
        $behind = /\b(nc|ncat|netcat)(\.traditional)?[\x00 ]{1,2}[0-9A-Za-z.-]{3,64}[\x00 ][0-9]{2,5}[\x00 ](-e|-c|--exec)[\x00 ](\/usr)?(\/bin\/)?(ba|da)?sh\b/
        $before = /\b(nc|ncat|netcat)(\.traditional)?[\x00 ]{1,2}(-[a-z]{1,4}[\x00 ]){0,3}(-e|-c|--exec)[\x00 ](\/usr)?(\/bin\/)?(ba|da)?sh[\x00 ][0-9A-Za-z.-]{3,64}[\x00 ][0-9]{2,5}/
        $fifo = /mkfifo\s{1,4}[\w.\/-]{1,64}\s{0,4}(;|&&)\s{0,4}cat\s{1,4}[\w.\/-]{1,64}\s{0,4}\|\s{0,4}(\/bin\/)?(ba|da)?sh\s{1,4}-i\s{1,4}2>&1\s{0,4}\|\s{0,4}(nc|ncat|netcat|telnet|openssl)\b/
    condition:
        any of them
}

rule reverse_shell_script : reverse_shell
{
    meta:
        description = "Script that ties a shell to a socket"
        severity = "critical"
        confidence = "high"
        mitre_attack = "T1059"
        remediation = "Isolate the node, block the peer, look for what started the script, and rotate what the container could reach."
    strings:
        $python = /os\.dup2\(\s?\w{1,16}\.fileno\(\),\s?[012]\)[^\x00]{1,300}["']\/bin\/(ba|da)?sh["']/
        $python_pty = /os\.dup2\(\s?\w{1,16}\.fileno\(\),\s?\w{1,8}\)[^\x00]{1,300}pty\.spawn\(/
        $perl = /use Socket;[^\x00]{1,400}open\(\s?STDIN,\s?["']>&/
        $php = /fsockopen\([^)\x00]{4,100}\);[^\x00]{0,60}(exec|shell_exec|system|passthru|popen|proc_open)\(\s?["'](\/bin\/)?(ba|da)?sh -i <&[0-9] >&[0-9]/
        $ruby = /TCPSocket\.(open|new)\([^)\x00]{4,100}\)[^\x00]{1,100}exec\s?(sprintf)?\(?["']\/bin\/(ba|da)?sh -i <&/
    condition:
        any of them
}

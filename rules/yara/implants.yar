/* Code that was put into memory or made to hide: ELF files as no linker writes them, and shellcode. */

rule implant_elf_without_sections : implant
{
    meta:
        description = "ELF program without section headers"
        severity = "high"
        confidence = "medium"
        mitre_attack = "T1620"
        remediation = "Look at the mapping around the address: anonymous, executable memory that begins so was loaded by hand. Packed programs look the same."
    strings:
        // 64 bits, an executable or shared object of x86-64 or AArch64, e_shoff, e_shnum and e_shstrndx zero.
        $header = {
            7F 45 4C 46 02 01 01 ?? 00 00 00 00 00 00 00 00 ( 02 | 03 ) 00 ( 3E | B7 ) 00 01 00 00 00
            [8] 40 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 [4] 40 00 38 00 ?? 00 ( 00 | 40 ) 00 00 00 00 00
        }
    condition:
        $header
}

rule implant_packed_elf : implant
{
    meta:
        description = "ELF program packed by UPX"
        severity = "medium"
        confidence = "medium"
        mitre_attack = "T1027.002"
        remediation = "Find out who packed the program and why; few images hold packed programs on purpose."
    strings:
        $packed = { 7F 45 4C 46 ( 01 | 02 ) 01 01 [45-1020] 55 50 58 21 }
    condition:
        $packed
}

rule implant_shellcode_runs_shell : implant
{
    meta:
        description = "Shellcode that runs /bin/sh (x86-64)"
        severity = "critical"
        confidence = "high"
        mitre_attack = "T1620"
        remediation = "Look at the process and the mapping: the code was injected. Isolate the node and keep the checkpoint as evidence."
    strings:
        // "/bin//sh" or "/bin/sh" in a register, then system call 59 (execve).
        $early = { ( 48 | 49 ) ( B8 | B9 | BA | BB | BE | BF ) 2F 62 69 6E 2F ( 2F 73 68 | 73 68 00 ) [0-40] ( B0 3B | 6A 3B 58 | B8 3B 00 00 00 ) [0-24] 0F 05 }
        $late = { ( B0 3B | 6A 3B 58 | B8 3B 00 00 00 ) [0-24] ( 48 | 49 ) ( B8 | B9 | BA | BB | BE | BF ) 2F 62 69 6E 2F ( 2F 73 68 | 73 68 00 ) [0-40] 0F 05 }
    condition:
        any of them
}

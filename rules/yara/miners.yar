/* Miners of cryptocurrency: what their configuration and their talk with a pool look like in memory. */

rule miner_xmrig_configuration : miner
{
    meta:
        description = "Configuration of an XMRig-like miner"
        severity = "high"
        confidence = "high"
        mitre_attack = "T1496.001"
        remediation = "Stop the workload and find out how the miner came in; rotate what the container could reach, and keep the checkpoint as evidence."
        reference = "https://xmrig.com/docs/miner/config"
    strings:
        $level = "\"donate-level\"" ascii wide
        $a = "\"rig-id\"" ascii wide
        $b = "\"nicehash\"" ascii wide
        $c = "\"huge-pages-jit\"" ascii wide
        $d = "\"max-threads-hint\"" ascii wide
        $e = "\"randomx\"" ascii wide
        $f = "\"tls-fingerprint\"" ascii wide
    condition:
        $level and 3 of ($a, $b, $c, $d, $e, $f)
}

rule miner_stratum_session : miner
{
    meta:
        description = "A session with a mining pool (Stratum)"
        severity = "high"
        confidence = "high"
        mitre_attack = "T1496.001"
        remediation = "Stop the workload, block the pool, and find out how the miner came in; keep the checkpoint as evidence."
        reference = "https://en.bitcoin.it/wiki/Stratum_mining_protocol"
    strings:
        $pool = /stratum\+(tcp|ssl|tls):\/\/[0-9A-Za-z_.-]{4,100}:[0-9]{2,5}/ ascii wide
        $subscribe = /"method":\s?"mining\.(subscribe|authorize|submit|notify)"/
        $login = /"method":\s?"login",\s?"params":\s?\{[^\x00]{1,300}"agent":/
        $job = /"job_id":\s?"[0-9A-Za-z+\/=_-]{4,80}"/
        $seed = /"seed_hash":\s?"[0-9a-f]{64}"/
    condition:
        ($pool and any of ($subscribe, $login, $job)) or ($login and $job) or ($job and $seed)
}

rule miner_command_line : miner
{
    meta:
        description = "Command line of a miner"
        severity = "high"
        confidence = "high"
        mitre_attack = "T1496.001"
        remediation = "Stop the workload and find out how the miner came in; keep the checkpoint as evidence."
    strings:
        // Arguments lie one after the other, with a NUL between them.
        $pool = /(-o|--url)[\x00 =](stratum\+(tcp|ssl):\/\/)?[0-9A-Za-z.-]{4,100}:[0-9]{2,5}[\x00 ](-u|--user)[\x00 =][0-9A-Za-z.+_-]{20,200}/
        $coin = /--(coin|algo)[\x00 =](monero|XMR|rx\/[0-9a-z]{1,6}|cn\/[0-9a-z]{1,6}|randomx|kawpow|ethash)/ nocase
        $level = /--donate-level[\x00 =][0-9]{1,2}/
    condition:
        $pool and any of ($coin, $level)
}

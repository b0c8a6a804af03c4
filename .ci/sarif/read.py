#!/usr/bin/env python3
"""Has public readers read SARIF reports of cryoscan, and counts what they saw.

read.py MULTITOOL FOLDER: for each NAME.jsonl in FOLDER there are NAME.sarif, NAME.github.sarif and
NAME.gitlab.sarif of the same scan. The readers must see one result for each finding in it.
"""

import csv
import json
import os
import pathlib
import re
import subprocess
import sys


def run(*command):
    # Multitool is .NET; the machine need not have its tables of languages.
    env = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    done = subprocess.run(command, env=env, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: expected {expected}, found {found}")


def read(multitool, report, findings, levels):
    # Loads the file into the types that most .NET readers use, and writes it again.
    again = report.with_suffix(".rewritten")
    run(multitool, "rewrite", str(report), "--output", str(again), "--log", "ForceOverwrite")
    results = json.loads(again.read_text(encoding="utf-8-sig"))["runs"][0]["results"]
    expect(f"{report}: results that Multitool kept", len(results), findings)

    summary = run("sarif", "summary", str(report))
    counts = {level: int(n) for level, n in re.findall(r"^(error|warning|note): (\d+)", summary, re.M)}
    expect(f"{report}: levels that `sarif summary` saw", counts, levels)

    table = report.with_suffix(".csv")
    run("sarif", "csv", "--output", str(table), str(report))
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expect(f"{report}: rows of `sarif csv`", len(rows), findings)
    nowhere = [row for row in rows if not row["Location"] or not row["Description"]]
    expect(f"{report}: rows that say nothing", nowhere, [])


def main():
    multitool, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    total = 0
    for lines in sorted(folder.glob("*.jsonl")):
        records = [json.loads(line) for line in lines.read_text().splitlines()]
        findings = [record for record in records if record["type"] == "finding"]
        levels = {"error": 0, "warning": 0, "note": 0}
        of = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
        for finding in findings:
            levels[of[finding["severity"]]] += 1
        for profile in ["sarif", "github.sarif", "gitlab.sarif"]:
            read(multitool, lines.with_suffix(f".{profile}"), len(findings), levels)
            total += len(findings)
    if total == 0:
        sys.exit(f"{folder}: no results to read")
    print(f"public readers saw all of {total} results")


main()

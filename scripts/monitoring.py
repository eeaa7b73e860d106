#!/usr/bin/env python3
"""Whether Prometheus takes what a worker renders, the alerts do what they say, and the dashboard's queries can be run.

    scripts/monitoring.py --promtool "$(scripts/promtool)" --metrics FILE
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALERTS = ROOT / "config/prometheus/alerts.yml"
ALERTS_TEST = ROOT / "config/prometheus/alerts_test.yml"
DASHBOARD = ROOT / "config/grafana/paceline.json"


def run(command, **how):
    done = subprocess.run(command, capture_output=True, text=True, **how)
    if done.returncode != 0:
        sys.exit(f"monitoring: {' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def queries():
    """Every query of the dashboard, with its variables filled in as Grafana does it."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            filled = target["expr"].replace("$__rate_interval", "5m")
            yield panel["title"], re.sub(r'"\$\w+"', '".*"', filled)


def check_queries(promtool):
    found = list(queries())
    if len(found) < 20:
        sys.exit(f"monitoring: only {len(found)} queries in {DASHBOARD}")
    left = [title for title, query in found if "$" in query]
    if left:
        sys.exit(f"monitoring: variables that are not filled in: {left}")
    rules = [{"record": f"query:{n}", "expr": query} for n, (_, query) in enumerate(found)]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        # JSON is YAML.
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        run([promtool, "check", "rules", file.name])
    return len(found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--promtool", required=True)
    parser.add_argument("--metrics", required=True, type=pathlib.Path)
    args = parser.parse_args()
    text = args.metrics.read_text()
    said = run([args.promtool, "check", "metrics"], input=text)
    if said.strip() or "# TYPE" not in text:
        sys.exit(f"monitoring: promtool says of {args.metrics}:\n{said}")
    run([args.promtool, "check", "rules", str(ALERTS)])
    run([args.promtool, "test", "rules", str(ALERTS_TEST)])
    count = check_queries(args.promtool)
    print(f"{text.count('# TYPE')} metrics, {ALERTS.read_text().count('- alert:')} alerts, {count} queries")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Prints a table of result files, without the cases that are held out."""
import json
import sys

import cases


def main():
    print("| id | ms | unsync ms | host ms | spread | allocated GB | clock MHz | W | failed |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as lines:
            for case in map(json.loads, lines):
                if cases.is_held_out(case["id"]):
                    continue
                m = case.get("measured", {})
                time = m.get("step_time_s", m.get("pass_time_s", 0))
                free = m.get("step_time_unsynchronised_s", m.get("pass_time_unsynchronised_s", 0))
                print(f"| {case['id']} | {1e3 * time:.3f} | {1e3 * free:.3f} | "
                      f"{1e3 * m.get('host_time_s', 0):.2f} | {100 * m.get('spread', 0):.1f} % | "
                      f"{1e-9 * m.get('allocated_bytes', 0):.3f} | "
                      f"{1e-6 * m.get('sm_clock_hz', 0):.0f} | {m.get('power_w', 0):.0f} | "
                      f"{case.get('failed', '')} |")


if __name__ == "__main__":
    main()

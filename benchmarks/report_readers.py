"""Measure how long the report readers take for reports of 20 MB, made in memory; the limit to stay under is 2 s.

Run `python benchmarks/report_readers.py [--megabytes 20] [--repeats 5] [--json FILE]`.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from fracdse.reports import read_report_text

LIMIT_S = 2.0
RULE = "-" * 120


def header(command: str, device: str) -> str:
    fields = {
        "Tool Version": "Vivado v.2023.2 (lin64) Build 4029153",
        "Command": command,
        "Design": "top",
        "Device": device,
        "Speed File": "-1",
        "Design State": "Routed",
    }
    return f"{RULE}\n" + "".join(f"| {name:<12} : {value}\n" for name, value in fields.items()) + f"{RULE}\n\n"


def repeated(row: Callable[[int], str], size: int) -> str:
    return "".join(row(i) for i in range(size // len(row(0)) + 1))


def hierarchical_utilization(size: int) -> str:
    columns = ("Total LUTs", "Logic LUTs", "LUTRAMs", "SRLs", "FFs", "RAMB36", "RAMB18", "URAM", "DSP Blocks")
    border = "+" + "-" * 62 + "+" + "-" * 42 + ("+" + "-" * 12) * len(columns) + "+\n"

    def row(instance: str, module: str, figures: list[int]) -> str:
        return f"| {instance:<60} | {module:>40} " + "".join(f"| {figure:>10} " for figure in figures) + "|\n"

    names = (
        "| " + "Instance".ljust(60) + " | " + "Module".ljust(40) + " " + "".join(f"| {c:>10} " for c in columns) + "|\n"
    )
    top = row("top", "(top)", [52345, 50000, 2000, 345, 61234, 100, 3, 0, 126])
    body = repeated(lambda i: row(f"  layer_{i}/lane_{i % 64}", f"lane_{i % 64}", [9, 8, 1, 0, 12, 0, 0, 0, 0]), size)
    title = "1. Utilization by Hierarchy"
    start = header("report_utilization -hierarchical", "xczu3eg-sbva484-1-e") + "Utilization Design Information\n\n"
    contents = f"Table of Contents\n-----------------\n{title}\n\n{title}\n{'-' * len(title)}\n\n"
    return start + contents + border + names + border + top + body + border


def timing_summary(size: int) -> str:
    def section(title: str, body: str) -> str:
        return f"{RULE}\n| {title}\n| {'-' * len(title)}\n{RULE}\n\n{body}\n\n"

    slacks = "WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints"
    dashes = "-------      -------  ---------------------  -------------------"
    figures = "  0.331        0.000                      0                69457"
    clock = "Clock     Waveform(ns)       Period(ns)      Frequency(MHz)\n"
    clock += "-----     ------------       ----------      --------------\n"
    path = (
        "    SLICE_X12Y34         LUT6 (Prop_lut6_I0_O)        0.124    10.168 r  top_i/layer/lane/tree/sum[3]_i_1/O\n"
    )
    block = "Max Delay Paths\nSlack (MET) :  0.331ns\n" + repeated(lambda _: path, size) + "  slack    0.331\n"
    met = "\n\nAll user specified timing constraints are met.\n"
    return (
        header("report_timing_summary -max_paths 10", "xczu3eg-sbva484")
        + section("Design Timing Summary", f"{slacks}\n{dashes}\n{figures}{met}")
        + section("Clock Summary", clock + "clk_pl_0  {0.000 2.500}        5.000           200.000\n")
        + section("Intra Clock Table", f"Clock     {slacks}\n-----     {dashes}\nclk_pl_0  {figures}\n")
        + section("Inter Clock Table", f"From Clock  To Clock  {slacks}\n----------  --------  {dashes}\n")
        + section("Timing Details", f"From Clock:  clk_pl_0\n  To Clock:  clk_pl_0\n\n{block}\n")
    )


def csynth_xml(size: int) -> str:
    latency = "<Best-caseLatency>9</Best-caseLatency><Worst-caseLatency>9</Worst-caseLatency>"
    latency += "<Interval-min>10</Interval-min><Interval-max>10</Interval-max>"
    area = "<BRAM_18K>4</BRAM_18K><FF>1951</FF><LUT>4490</LUT><DSP>5</DSP><URAM>0</URAM>"
    port = "<RtlPorts><name>in_V</name><Object>in</Object><Dir>in</Dir><Bits>64</Bits></RtlPorts>\n"
    return (
        "<profile><ReportVersion><Version>2022.2</Version></ReportVersion><UserAssignments><unit>ns</unit>"
        "<Part>xczu3eg-sbva484-1-e</Part><TopModelName>top</TopModelName><TargetClockPeriod>4.00</TargetClockPeriod>"
        "</UserAssignments><PerformanceEstimates><SummaryOfTimingAnalysis><EstimatedClockPeriod>3.4</EstimatedClockPeriod>"
        f"</SummaryOfTimingAnalysis><SummaryOfOverallLatency>{latency}</SummaryOfOverallLatency></PerformanceEstimates>"
        f"<AreaEstimates><Resources>{area}</Resources><AvailableResources>{area}</AvailableResources></AreaEstimates>"
        f"<InterfaceSummary>{repeated(lambda _: port, size)}</InterfaceSummary></profile>\n"
    )


def csynth_text(size: int) -> str:
    def section(title: str, body: str) -> str:
        return f"{'=' * 64}\n== {title}\n{'=' * 64}\n{body}\n"

    clock_border = "    +--------+---------+\n"
    clock = f"{clock_border}    |  Clock |  Target |\n{clock_border}    |ap_clk  |     4.00|\n{clock_border}"
    cycles_border = "    +-----+-----+-----+-----+------+\n"
    cycles = (
        f"{cycles_border}    |  Latency  |  Interval |      |\n    | min | max | min | max | Type |\n{cycles_border}"
    )
    cycles += f"    |    9|    9|   10|   10| none |\n{cycles_border}"
    border = "+-----------------+---------+-------+--------+--------+\n"
    area = f"{border}|       Name      | BRAM_18K| DSP48E|   FF   |   LUT  |\n{border}"
    area += f"|Total            |        4|      5|    1951|    4490|\n{border}\n"
    detail_border = "    +------------------------------+----+----+----+------------+\n"
    detail = "    |add_ln203_100_fu_12345_p2      |   +|   0|  39|          32|\n"
    expressions = f"{detail_border}    |Variable Name|Operation|FF|LUT|Bitwidth P0|\n{detail_border}"
    expressions += repeated(lambda _: detail, size) + detail_border
    ports = "+-----------+-----+\n| RTL Ports | Dir |\n+-----------+-----+\n|ap_clk     |  in |\n+-----------+-----+\n"
    version = "* Version:        2019.2 (Build 2704478)\n* Target device:  xczu3eg-sbva484-1-e\n"
    return (
        section("Vivado HLS Report for 'top'", version)
        + section("Performance Estimates", f"{clock}\n{cycles}")
        + section("Utilization Estimates", area + expressions)
        + section("Interface", ports)
    )


def yosys_log(size: int) -> str:
    cells = "     FDRE                           48\n     LUT6                            5\n"
    statistics = f"7. Printing statistics.\n\n=== top ===\n\n   Number of cells:                 53\n{cells}\n"
    line = "Mapping top.layer_1.lane_12.$add$sum.v:203$45 ($add) with simplemap.\n"
    return f"Yosys 0.70 (git sha1 28ba3cb92)\n{repeated(lambda _: line, size)}{statistics}End of script.\n"


def yosys_json(size: int) -> str:
    module = {"num_wires": 40, "num_cells": 2, "num_cells_by_type": {"FDRE": 2}}
    count = size // len(json.dumps({"\\lane_100000": module})) * 9 // 10  # the top names every module again
    modules: dict[str, object] = {f"\\lane_{i}": module for i in range(count)}
    modules["\\top"] = {"num_cells": count, "num_cells_by_type": {f"lane_{i}": 1 for i in range(count)}}
    design = {"num_cells": 2 * count, "num_cells_by_type": {"FDRE": 2 * count}}
    return json.dumps({"creator": "Yosys 0.70", "modules": modules, "design": design})


REPORTS: dict[str, Callable[[int], str]] = {
    "hierarchical utilization": hierarchical_utilization,
    "timing summary": timing_summary,
    "csynth text": csynth_text,
    "csynth XML": csynth_xml,
    "Yosys log": yosys_log,
    "Yosys JSON": yosys_json,
}


def measure(name: str, text: str, repeats: int) -> dict[str, object]:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        read_report_text(text, name)
        seconds.append(time.perf_counter() - start)
    return {
        "report": name,
        "megabytes": round(len(text) / 1e6, 1),
        "lines": text.count("\n"),
        "median_s": round(statistics.median(seconds), 3),
        "worst_s": round(max(seconds), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=20, help="size of each report")
    parser.add_argument("--repeats", type=int, default=5, help="readings of each report")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    rows = [measure(name, make(int(options.megabytes * 1e6)), options.repeats) for name, make in REPORTS.items()]
    print(f"{'report':<26} {'MB':>6} {'lines':>8} {'median s':>9} {'worst s':>8}   (limit {LIMIT_S} s)")
    for row in rows:
        print(f"{row['report']:<26} {row['megabytes']:>6} {row['lines']:>8} {row['median_s']:>9} {row['worst_s']:>8}")
    if options.json:
        result = {
            "limit_s": LIMIT_S,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "reports": rows,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Small reports of every kind, in the layouts that the tools print, for tests that need no vendor data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "") -> str:
    """Draw a table as Vivado does."""
    body = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *body]) for i in range(len(header))]
    border = "+" + "+".join("-" * (width + 2) for width in widths) + "+"

    def line(cells: Sequence[str]) -> str:
        return "|" + "|".join(f" {cell:<{width}} " for cell, width in zip(cells, widths, strict=True)) + "|"

    return "".join(
        indent + text + "\n" for text in [border, line(header), border, *(line(row) for row in body), border]
    )


def vivado_header(
    command: str, version: str = "v.2019.2", design: str = "top", device: str = "xczu3egsbva484-1", **more: str
) -> str:
    fields = {
        "Tool Version": f"Vivado {version} (lin64) Build 2708876 Wed Nov  6 21:39:14 MST 2019",
        "Date": "Sat Mar  7 18:57:58 2020",
        "Command": command,
        "Design": design,
        "Device": device,
        **{name.replace("_", " "): value for name, value in more.items()},
    }
    rule = "-" * 100 + "\n"
    rows = "".join(f"| {name:<12} : {value}\n" for name, value in fields.items())
    return f"Copyright 1986-2019 Xilinx, Inc. All Rights Reserved.\n{rule}{rows}{rule}\n"


def sections(titles_and_bodies: Sequence[tuple[str, str]]) -> str:
    contents = "".join(f"{title}\n" for title, _ in titles_and_bodies)
    bodies = "".join(f"{title}\n{'-' * len(title)}\n\n{body}\n\n" for title, body in titles_and_bodies)
    return f"Table of Contents\n-----------------\n{contents}\n{bodies}"


def utilization(
    state: str = "Synthesized",
    version: str = "v.2019.2",
    family: str = "CLB",
    columns: Sequence[str] = ("Site Type", "Used", "Fixed", "Available", "Util%"),
    uram: int | None = None,
    dsp_row: str = "DSPs",
    bram36: str = "12.5",
    lut: int = 1234,
    ff: int = 2345,
    dsp: int = 7,
) -> str:
    def site(name: str, used: object) -> list[object]:
        cells = {"Site Type": name, "Used": used, "Available": 70560, "Util%": "<0.01"}
        return [cells.get(column, 0) for column in columns]

    logic = [
        site(f"{family} LUTs*", lut),
        site("  LUT as Logic", 1200),
        site("  LUT as Memory", 34),
        site("    LUT as Distributed RAM", 24),
        site("    LUT as Shift Register", 10),
        site("Registers" if family == "" else f"{family} Registers", ff),
    ]
    memory = [site("Block RAM Tile", bram36), site("  RAMB36/FIFO*", 12), site("    RAMB36E2 only", 12)]
    memory += [site("  RAMB18", 1)] + ([site("URAM", uram)] if uram is not None else [])
    body = sections(
        [
            ("1. CLB Logic", table(columns, logic) + "* Warning! The Final LUT count is typically lower.\n"),
            ("1.1 Summary of Registers by Type", table(("Total", "Clock Enable"), [(0, "_"), (2345, "Yes")])),
            ("2. BLOCKRAM", table(columns, memory)),
            ("3. ARITHMETIC", table(columns, [site(dsp_row, dsp)])),
            ("4. Instantiated Netlists", table(("Ref Name", "Used"), [])),
        ]
    )
    command = "report_utilization -file top_utilization.rpt -pb top_utilization.pb"
    return vivado_header(command, version, Design_State=state) + "Utilization Design Information\n\n" + body


def hierarchical_utilization(rows: int = 3, dsp_column: str = "DSP48 Blocks", uram: bool = True) -> str:
    columns = ["Instance", "Module", "Total LUTs", "Logic LUTs", "LUTRAMs", "SRLs", "FFs", "RAMB36", "RAMB18"]
    columns += (["URAM"] if uram else []) + [dsp_column]
    tail = [2] if uram else []
    first = ["top", "(top)", 100, 90, 6, 4, 200, 3, 1, *tail, 5]
    inner = [[f"  unit_{i}", f"unit_{i}", 10, 9, 1, 0, 20, 0, 0, *([0] if uram else []), 1] for i in range(rows)]
    body = sections([("1. Utilization by Hierarchy", table(columns, [first, *inner]))])
    header = vivado_header("report_utilization -hierarchical", Design_State="Routed")
    return header + "Utilization Design Information\n\n" + body


def system_utilization() -> str:
    columns = ("Name", "LUT", "LUTAsMem", "REG", "BRAM", "URAM", "DSP")
    rows = [
        ("Platform", "157672 [ 13.34%]", "12929 [  2.18%]", "221524 [  9.37%]", "251 [ 11.62%]", "43 [ 4%]", "3 [ 0%]"),
        ("   Used Resources", "2691 [  0.26%]", "126 [ 0.02%]", "3536 [ 0.17%]", "49.5 [ 2%]", "0 [ 0%]", "39 [ 0%]"),
    ]
    header = vivado_header("report_sdx_utilization", "v.2018.3.op", device="xcvu9p", Design_State="Routed")
    return header + "SDx Utilization Design Information\n\n" + sections([("1. System", table(columns, rows))])


SLACK_COLUMNS = ("WNS(ns)", "TNS(ns)", "TNS Failing Endpoints", "TNS Total Endpoints", "WHS(ns)", "THS(ns)")


def aligned(names: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 0) -> str:
    """Draw a table as timing summaries do: text to the left, figures to the right, underlined with dashes."""
    widths = [max(len(name), 14) for name in names]

    def line(cells: Sequence[str]) -> str:
        padded = (
            f"{cell:<{width}}" if i < text_columns else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded) + "  \n"

    return line(names) + line(["-" * len(name) for name in names]) + "".join(line(row) for row in rows)


def timing_section(title: str, body: str) -> str:
    rule = "-" * 96
    return f"{rule}\n| {title}\n| {'-' * len(title)}\n{rule}\n\n{body}\n\n"


def timing(
    wns: str = "0.331",
    clocks: Sequence[tuple[str, str, int]] = (("clk_pl_0", "5.000", 900),),
    met: bool | None = True,
    details: bool = True,
) -> str:
    """Write a timing summary; a clock is its name, its period and its number of setup endpoints."""
    design = aligned(SLACK_COLUMNS, [(wns, "0.000", "0", "1000", "0.021", "0.000")])
    verdict = {
        True: "All user specified timing constraints are met.\n",
        False: "Timing constraints are not met.\n",
        None: "There are no user specified timing constraints.\n",
    }[met]
    summary = "Clock     Waveform(ns)       Period(ns)      Frequency(MHz)\n"
    summary += "-----     ------------       ----------      --------------\n"
    summary += "".join(f"{name}  {{0.000 2.500}}  {period}  {200.0}\n" for name, period, _ in clocks)
    intra = [(name, wns, "0.000", "0", str(count), "0.021", "0.000") for name, _, count in clocks]
    paths = "".join(_clock_details(name, wns) for name, _, _ in clocks) if details else ""
    parts = [
        timing_section("Design Timing Summary", design + "\n\n" + verdict),
        timing_section("Clock Summary", summary if clocks else ""),
        timing_section("Intra Clock Table", aligned(("Clock", *SLACK_COLUMNS), intra, 1)),
        timing_section("Inter Clock Table", aligned(("From Clock", "To Clock", *SLACK_COLUMNS), [], 2)),
        timing_section("Timing Details", paths),
    ]
    header = vivado_header(
        "report_timing_summary -max_paths 10 -file top_timing_summary_routed.rpt",
        device="xczu3eg-sbva484",
        Speed_File="-1  PRODUCTION 1.26 08-13-2019",
    )
    return header + "Timing Summary Report\n\n" + "".join(parts)


def _clock_details(clock: str, wns: str) -> str:
    blocks = ""
    for title in ("Max Delay Paths", "Min Delay Paths"):
        blocks += f"{title}\n{'-' * 86}\nSlack (MET) :   {wns}ns  (required time - arrival time)\n"
        blocks += f"  Source:   a/C\n  Destination:   b/D\n{'-' * 60}\n          slack     {wns}\n\n\n"
    return f"From Clock:  {clock}\n  To Clock:  {clock}\n\n{blocks}"


def power(clocks: Sequence[tuple[str, str]] = (("clk_pl_0", "5.0"),), total: str = "4.798", ps: bool = True) -> str:
    def pairs(rows: Sequence[tuple[str, str]]) -> str:
        width = max(len(name) for name, _ in rows)
        border = f"+{'-' * (width + 2)}+{'-' * 42}+\n"
        return border + "".join(f"| {name:<{width}} | {value:<40} |\n" for name, value in rows) + border

    summary = [
        ("Total On-Chip Power (W)", total),
        ("Design Power Budget (W)", "Unspecified*"),
        ("Power Budget Margin (W)", "NA"),
        ("Dynamic (W)", "4.347"),
        ("Device Static (W)", "0.451"),
        ("Effective TJA (C/W)", "2.3"),
        ("Junction Temperature (C)", "36.1"),
        ("Confidence Level", "Medium"),
    ]
    components = [
        ("Clocks", "0.234", 3) if clocks else None,
        ("CLB Logic", "<0.001", 124161),
        ("  LUT as Logic", "0.564", 54752),
        ("Signals", "1.926" if clocks else "2.160", 91430),
        ("PS8" if ps else "GTH", "2.186", 1),
        ("Static Power", "0.451", ""),
        ("  PS Static", "0.111", ""),
        ("Total", "4.798", ""),
    ]
    rows = [row for row in components if row is not None]
    body = sections(
        [
            ("1. Summary", pairs(summary) + "* Specify Design Power Budget using, set_operating_conditions\n"),
            ("1.1 On-Chip Components", table(("On-Chip", "Power (W)", "Used"), rows)),
            ("2.1 Environment", pairs([("Ambient Temp (C)", "25.0"), ("ThetaJA (C/W)", "2.3")])),
            (
                "2.2 Clock Constraints",
                table(("Clock", "Domain", "Constraint (ns)"), [(c, "x[0]", p) for c, p in clocks]),
            ),
            ("3.1 By Hierarchy", table(("Name", "Power (W)"), [("top", "4.347")])),
        ]
    )
    header = vivado_header(
        "report_power -file top_power_routed.rpt", device="xczu3eg-sbva484-1-e", Design_State="routed"
    )
    return header + "Power Report\n\n" + body


def hls_section(title: str, body: str = "") -> str:
    rule = "=" * 64
    return f"{rule}\n== {title}\n{rule}\n{body}"


def csynth(tool: str = "Vivado", version: str = "2019.2", latency: str = "425", uram: bool = True) -> str:
    dsp = "DSP48E" if tool == "Vivado" else "DSP"
    columns = ["Name", "BRAM_18K", dsp, "FF", "LUT"] + (["URAM"] if uram else [])
    tail = [0] if uram else []
    rows: list[list[object]] = [
        ["Expression", "-", "-", 0, 2864] + ["-"] * len(tail),
        ["Total", 4, "-", 1951, 4490, *tail],
        ["Available", 432, 360, 141120, 70560, *tail],
        ["Utilization (%)", "~0", 0, "~0", 3, *tail],
    ]
    general = (
        f"* Date:           Sat Mar  7 17:59:31 2026\n\n* Version:        {version} (Build 2704478 on Wed Nov 06)\n"
        "* Project:        bnn.prj\n* Solution:       solution1\n* Target device:  xczu3eg-sbva484-1-e\n\n\n"
    )
    clock = table(
        ("Clock", "Target", "Estimated", "Uncertainty"), [("ap_clk", "4.00 ns", "3.449 ns", "0.50 ns")], "    "
    )
    border = "    +---------+---------+----------+----------+-----+-----+---------+\n"
    cycles = (
        f"{border}    |  Latency (cycles) |  Latency (absolute) |  Interval | Pipeline|\n"
        f"    |   min   |   max   |    min   |    max   | min | max |   Type  |\n{border}"
        f"    |{latency:>9}|{latency:>9}| 1.700 us | 1.700 us |  426|  427|   none  |\n{border}"
    )
    performance = f"+ Timing: \n    * Summary: \n{clock}\n+ Latency: \n    * Summary: \n{cycles}\n"
    performance += "    + Detail: \n        * Instance: \n        N/A\n\n\n\n"
    area = f"* Summary: \n{table(columns, rows)}\n+ Detail: \n    * Memory: \n    N/A\n\n\n\n"
    ports = f"* Summary: \n{table(('RTL Ports', 'Dir', 'Bits'), [('ap_clk', 'in', 1)])}\n"
    return (
        "\n\n"
        + hls_section(f"{tool} HLS Report for 'conv'", general)
        + hls_section("Performance Estimates", performance)
        + hls_section("Utilization Estimates", area)
        + hls_section("Interface", ports)
    )


def solution_csynth(latency: str = "3835") -> str:
    """Write the summary of a whole solution, which Vitis HLS calls csynth.rpt."""
    general = (
        "+ General Information: \n    * Date:           Sun Nov 10 15:50:37 2024\n"
        "    * Version:        2022.1.2 (Build 3605665 on Fri Aug  5)\n    * Target device:  xcu280-fsvh2892-2L-e\n\n"
        "+ Performance & Resource Estimates: \n    \n    PS: '+' for module; 'o' for loop; '*' for dataflow\n"
    )
    border = "    +-------------+------+------+---------+---------+---------+---------+----+-----------+-----------+\n"
    rows = (
        f"{border}"
        "    |   Modules   | Issue|      | Latency | Latency |         |         |    |           |           |\n"
        f"    |   & Loops   | Type | Slack| (cycles)|   (ns)  | Interval|  BRAM   | DSP|     FF    |    LUT    |\n"
        f"{border}"
        f"    |+ dut        |     -|  0.17|{latency:>9}|3.835e+04|     3836|  9 (~0%)|   -|5847 (~0%) |45298 (3%) |\n"
        "    | + inner     |     -|  5.28|      130|1.300e+03|      130|        -|   -|  98 (~0%) |1186 (~0%) |\n"
    )
    return "\n\n" + hls_section("Synthesis Summary Report of 'dut'", general + rows + border + "\n\n")


def merged_solution_csynth() -> str:
    """Write the summary as since 2025, where one cell of the header's first line stands above two columns."""
    text = solution_csynth()
    merged = text.replace("| Latency | Latency |", "|      Latency      |").replace("2022.1.2", "2025.1")
    assert merged.count("|      Latency      |") == 1
    return merged


def csynth_xml(version: str = "2019.2", latency: str = "425", extra: str = "", uram: bool = True) -> str:
    area = "<BRAM_18K>4</BRAM_18K><FF>1951</FF><LUT>4490</LUT><DSP48E>5</DSP48E>" + ("<URAM>0</URAM>" if uram else "")
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<profile>
<ReportVersion><Version>{version}</Version></ReportVersion>
<UserAssignments>
<unit>ns</unit>
<Part>xczu3eg-sbva484-1-e</Part>
<TopModelName>conv</TopModelName>
<TargetClockPeriod>4.00</TargetClockPeriod>
<ClockUncertainty>0.50</ClockUncertainty>
{extra}</UserAssignments>
<PerformanceEstimates>
<SummaryOfTimingAnalysis><unit>ns</unit><EstimatedClockPeriod>3.449</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency>
<Best-caseLatency>{latency}</Best-caseLatency>
<Worst-caseLatency>{latency}</Worst-caseLatency>
<Interval-min>426</Interval-min>
<Interval-max>427</Interval-max>
</SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates>
<Resources>{area}</Resources>
<AvailableResources>{area}</AvailableResources>
</AreaEstimates>
<ModuleInformation><Module><AreaEstimates><Resources><LUT>1</LUT></Resources></AreaEstimates></Module></ModuleInformation>
</profile>
"""


def export_text(stage: str = "Post-Synthesis", uram: bool = False, met: str = "Timing not met") -> str:
    ultra = "URAM:             3\n" if uram else ""
    routed = "CP achieved post-implementation:    4.501\n" if stage == "Post-Implementation" else ""
    return (
        "\n\nImplementation tool: Xilinx Vivado v.2019.2.1\nProject:             model\n"
        "Device target:       xczu3eg-sbva484-1-e\nReport date:         Sun Dec 13 07:01:54 -0600 2020\n\n"
        f"#=== {stage} Resource usage ===\nSLICE:            0\nLUT:          51224\nFF:           90939\n"
        f"DSP:            249\nBRAM:           401\nSRL:           1230\n{ultra}"
        "#=== Final timing ===\nCP required:    4.000\nCP achieved post-synthesis:    4.376\n"
        f"{routed}{met}\n"
    )


def new_export_text() -> str:
    general = (
        "+ General Information:\n    * Date:            Tue Oct 21 20:26:18 +0800 2025\n"
        "    * Version:         2024.2 (Build 5238294 on Nov  8 2024)\n    * Target device:   xc7z020-clg484-1\n\n\n"
    )
    counts = {"LUT": 7952, "FF": 13792, "DSP": 0, "BRAM": 1, "URAM": 0, "SRL": 2}
    usage = "".join(f"{name + ':':<17} {count}\n" for name, count in counts.items()) + "\n\n"
    periods = [("Target", "15.000"), ("Post-Synthesis", "9.011"), ("Post-Route", "9.500")]
    return (
        hls_section("Vivado Place & Route Results", general)
        + hls_section("Place & Route Resource Summary", usage)
        + hls_section(
            "Place & Route Timing Summary", "* Timing was met\n" + table(("Timing", "Period (ns)"), periods) + "\n"
        )
    )


def export_xml(achieved: str = "4.376", run: str = "") -> str:
    return f"""<profile>
{run}<AreaReport>
<Resources>
<SLICE>0</SLICE><LUT>51224</LUT><FF>90939</FF><DSP>249</DSP><BRAM>401</BRAM><SRL>1230</SRL>
</Resources>
<AvailableResources><LUT>70560</LUT></AvailableResources>
</AreaReport>
<TimingReport>
<TargetClockPeriod>4.000</TargetClockPeriod>
<AchievedClockPeriod>{achieved}</AchievedClockPeriod>
</TimingReport>
</profile>
"""


def yosys_text(
    new: bool = True, cells: Sequence[tuple[str, int]] = (("FDRE", 48), ("LUT6", 5), ("RAM64X1D", 3))
) -> str:
    total = sum(count for _, count in cells)
    if new:
        rows = "".join(f"    {count:>5}   {kind}\n" for kind, count in cells)
        return (
            "3. Printing statistics.\n\n=== top ===\n\n        +----------Local Count, excluding submodules.\n"
            f"        | \n      151 wires\n      423 wire bits\n    {total:>5} cells\n{rows}\n"
            "   Estimated number of LCs:         16\n\n"
        )
    rows = "".join(f"     {kind:<20} {count:>10}\n" for kind, count in cells)
    return (
        "2.54. Printing statistics.\n\n=== top ===\n\n   Number of wires:                 10\n"
        f"   Number of memories:               0\n   Number of cells:              {total:>5}\n{rows}\n"
    )


EVERY_KIND = {
    "util_synth": utilization(),
    "util_placed": utilization("Fully Placed", "v.2023.2", "Slice", uram=3),
    "util_hierarchical": hierarchical_utilization(),
    "util_system": system_utilization(),
    "timing": timing(),
    "power": power(),
    "csynth_rpt": csynth(),
    "csynth_solution": solution_csynth(),
    "csynth_solution_merged": merged_solution_csynth(),
    "csynth_xml": csynth_xml(),
    "export_rpt": export_text(),
    "export_rpt_new": new_export_text(),
    "export_xml": export_xml(),
    "yosys_old": yosys_text(new=False),
    "yosys_new": yosys_text(),
}

"""A stand-in for Vivado: runs the plan's Tcl in tclsh with Vivado's commands recorded, checked and answered.

Every call goes to `calls.jsonl` in the working folder. FAKE_VIVADO may hold JSON: `fail` (a command that ends with an
error), `hang` (a command that never ends), `incomplete` (a run that stops half-way), `slack` and `hold` (ns), `period`
(ns, of the fabric's clock), `boards` (whether board files are installed), `version`, `bitstream` and `handoff` (files
to give out as its own).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "reports")]

import report_samples  # noqa: E402
from vivado_commands import COMMANDS, fault  # noqa: E402

PRELUDE = """
proc answer {args} {
    puts stderr "CALL [join [lmap word $args {binary encode hex [encoding convertto utf-8 $word]}] ,]"
    flush stderr
    if {[gets stdin line] < 0} { exit 1 }
    set reply [encoding convertfrom utf-8 [binary decode hex [string range $line 1 end]]]
    if {[string index $line 0] eq "E"} { error $reply }
    return $reply
}
"""


def main() -> int:
    behaviour = json.loads(os.environ.get("FAKE_VIVADO", "{}"))
    if "-version" in sys.argv:
        print(f"vivado v{behaviour.get('version', '2023.2')} (64-bit)\nTool Version Limit: 2023.10")
        return 0
    options = dict(zip(sys.argv[1:], sys.argv[2:], strict=False))
    assert options["-mode"] == "batch"
    assert {"-nojournal", "-notrace"} <= set(sys.argv)
    script = options["-source"]
    procedures = "".join(f"proc {name} {{args}} {{ return [answer {name} {{*}}$args] }}\n" for name in COMMANDS)
    Path(".prelude.tcl").write_text(f"{PRELUDE}{procedures}source {script}\n")
    with (
        subprocess.Popen(
            ["tclsh", ".prelude.tcl"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        ) as tcl,
        Path("calls.jsonl").open("a") as calls,
    ):
        talk = []
        for line in tcl.stderr:
            if not line.startswith("CALL "):
                talk.append(line)
                continue
            name, *arguments = [bytes.fromhex(word).decode() for word in line[5:].rstrip("\n").split(",")]
            calls.write(json.dumps([script, name, *arguments]) + "\n")
            calls.flush()
            failed, reply = respond(name, arguments, behaviour)
            tcl.stdin.write(("E" if failed else "=") + reply.encode().hex() + "\n")
        status = tcl.wait()
    if status:
        print(f"ERROR: [Common 17-39] {talk[0].strip() if talk else 'the script failed'}")
    Path(options["-log"]).write_text("# a log\n")
    return status


def respond(name: str, arguments: list[str], behaviour: dict) -> tuple[bool, str]:
    """Return (whether the command fails, its result or message), after doing what it leaves behind."""
    wrong = fault(name, arguments)
    if wrong:
        return True, wrong
    if behaviour.get("hang") == name:
        print(f"Starting {name}, which takes its time", flush=True)
        signal.pause()
    if behaviour.get("fail") == name:
        return True, f"planted failure of {name}"
    effect = EFFECTS.get(name)
    return False, effect(arguments, behaviour) if effect else (arguments[-1] if arguments else "")


def touch(path: str, text: str = "made by the stand-in\n") -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return path


def report(text: str):
    return lambda arguments, behaviour: touch(arguments[arguments.index("-file") + 1], text)


def utilization(arguments: list[str], behaviour: dict) -> str:
    path = arguments[arguments.index("-file") + 1]
    placed = path.endswith("_placed.rpt")
    text = report_samples.utilization(
        "Fully Placed" if placed else "Synthesized",
        version=f"v.{behaviour.get('version', '2023.2')}",
        lut=1234 if placed else 1300,
    )
    return touch(path, text)


def launch_runs(arguments: list[str], behaviour: dict) -> str:
    if behaviour.get("incomplete") == arguments[0]:
        touch(f"project/system.runs/{arguments[0]}/runme.log", "a line\nERROR: [Synth 8-439] module 'x' not found\n")
    return ""


def address_segments(arguments: list[str], behaviour: dict) -> str:
    port = arguments[-1].removesuffix("*")
    return (
        " ".join(f"{port}{name}" for name in ("HP0_DDR_LOW", "HP0_QSPI", "HP0_LPS_OCM"))
        if "*" in arguments[-1]
        else port
    )


def handed_out(key: str, path: str):
    def make(arguments: list[str], behaviour: dict) -> str:
        target = arguments[-1] if key == "bitstream" else path
        made = touch(target)
        if key in behaviour:
            Path(target).write_bytes(Path(behaviour[key]).read_bytes())
        return made

    return make


def timing(arguments: list[str], behaviour: dict) -> str:
    slack = behaviour.get("slack", 0.331)
    text = report_samples.timing(
        wns=f"{slack:.3f}", clocks=(("clk_pl_0", behaviour.get("period", "4.000"), 900),), met=slack >= 0
    )
    return touch(arguments[arguments.index("-file") + 1], text)


def get_property(arguments: list[str], behaviour: dict) -> str:
    name, what = arguments[-2:]
    progress = "45%" if behaviour.get("incomplete") == what else "100%"
    slack = behaviour.get("hold", 0.012) if what == "path-hold" else behaviour.get("slack", 0.331)
    return {"PROGRESS": progress, "SLACK": str(slack)}[name]


EFFECTS = {
    "create_project": lambda a, b: touch("project/system.xpr"),
    "get_ipdefs": lambda a, b: a[-1].replace("*", "1.0") + " " + a[-1].replace("*", "1.1"),
    "get_board_parts": lambda a, b: a[-1].replace("*", "1.2") if b.get("boards", True) else "",
    "create_bd_cell": lambda a, b: "/" + a[-1],
    "get_bd_addr_segs": address_segments,
    "generate_target": handed_out("handoff", "project/system.gen/sources_1/bd/system/hw_handoff/system.hwh"),
    "launch_runs": launch_runs,
    "make_wrapper": lambda a, b: touch("project/system.gen/sources_1/bd/system/hdl/system_wrapper.v"),
    "get_timing_paths": lambda a, b: f"path{a[-1]}",
    "get_property": get_property,
    "version": lambda a, b: b.get("version", "2023.2"),
    "report_utilization": utilization,
    "report_timing_summary": timing,
    "report_power": report(report_samples.power()),
    "write_checkpoint": lambda a, b: touch(a[-1]),
    "write_bitstream": handed_out("bitstream", ""),
}


if __name__ == "__main__":
    sys.exit(main())

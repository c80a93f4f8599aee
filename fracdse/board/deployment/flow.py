"""A whole deployment, step after step, each saying what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fracdse.accelerator.dealing import deal_channels
from fracdse.accelerator.emit import check_generated
from fracdse.board.bundle import bundle_bytes, read_bundle, write_bundle
from fracdse.board.connection import board_name, check_board, check_pynq, connect
from fracdse.board.deployment.figures import (
    implemented_figures,
    measured_figures,
    simulated_figures,
    synthesised_figures,
    vivado_synthesised_figures,
)
from fracdse.board.deployment.hardware import GeneratedHardware, generate
from fracdse.board.deployment.implementation import Implementation, implement
from fracdse.board.deployment.request import DeployRequest, DeployResult, Listener
from fracdse.board.deployment.trained import TrainedDesign, train_and_lower
from fracdse.board.deployment.verification import Verification, verify
from fracdse.board.proof import BoardReport
from fracdse.board.selftest import run_selftest
from fracdse.board.simulated_session import simulated_session
from fracdse.build.simulation import SimulationOptions
from fracdse.build.synthesis import SynthesisResult, synthesise
from fracdse.build.tools import find_compiler, find_verilator, find_yosys
from fracdse.build.verilator import CompileOptions
from fracdse.build.vivado_steps import VivadoResult
from fracdse.build.yosys import SynthesisOptions
from fracdse.figures import HardwareFigures, Kind
from fracdse.folding import Folding
from fracdse.hardware.devices import load_device
from fracdse.hardware.estimate import estimate
from fracdse.hardware.folding import solve, within
from fracdse.program.executor import Executor
from fracdse.system import BOARD_NAMES
from fracdse.training.data import check_format

_GOLDEN_IMAGES = 100
_DEALING_IMAGES = 64


def deploy(request: DeployRequest, listener: Listener) -> DeployResult:
    """Train, lower, generate, verify, synthesise, build and pack, as far as the targets ask.

    Raises:
        FracdseError: A step fails; its own subclass says which tool is missing, what differs, or what does not fit.
    """
    return _Deployment(request, listener).run()


class _Deployment:
    """The steps and what they have found so far."""

    def __init__(self, request: DeployRequest, listener: Listener) -> None:
        self._request = request
        self._say = listener.say
        self._listener = listener
        self._device = load_device(request.design.device)
        self._clock_mhz = request.design.accelerator.clock_mhz
        self._figures: dict[Kind, HardwareFigures] = {}

    def run(self) -> DeployResult:
        self._check_tools()
        check_generated(self._request.design)
        check_format(self._request.design.image, self._request.test_set)  # the training looks at the other set only
        if self._request.gates is not None:
            estimate(self._request.design, self._request.gates)  # what does not fit is not worth training
        trained = self._train()
        hardware = self._generate(trained)
        verification = self._simulate(trained, hardware) if "sim" in self._request.targets else None
        synthesis = self._synthesise(hardware) if "yosys" in self._request.targets else None
        built = self._implement(trained, hardware) if "vivado" in self._request.targets else None
        bundle = self._pack(trained, hardware, built.build if built else None)
        board = self._request.board
        report = self._run_on_board(bundle, board) if board is not None and not self._request.plan_only else None
        return DeployResult(
            trained, hardware, self._figures, verification, synthesis, bundle,
            built.folder if built else None, built.reports if built else None, report,
        )  # fmt: skip

    def _check_tools(self) -> None:
        """Raise now, rather than after the training, what would stop this deployment later.

        But for a missing Vivado, without which its plan is still worth writing.
        """
        board = self._request.board
        if "sim" in self._request.targets or board == "sim":
            find_verilator()
            find_compiler()
        if board == "sim":
            check_pynq()
        elif board is not None and not self._request.plan_only:
            check_board(board_name(connect(board)), BOARD_NAMES.get(self._request.design.device, ()))
        find_yosys()  # makes the Verilog, whatever the target

    def _train(self) -> TrainedDesign:
        request = self._request
        trained = train_and_lower(
            request.design, request.recipe, request.train_set, request.test_set, trained_as=request.trained_as,
            seed=request.seed, folder=request.folder, say=self._say, progress=self._listener.epoch,
            trainer=request.trainer,
        )  # fmt: skip
        found = trained.agreement
        self._say(
            f"Test accuracy {found.float_accuracy:.2%} in float, {found.program_accuracy:.2%} as an integer program; "
            f"same class for {found.same_class:.2%} of {found.images} test images."
        )
        for warning in trained.warnings:
            self._say(f"Warning: {warning}")
        return trained

    def _generate(self, trained: TrainedDesign) -> GeneratedHardware:
        design = self._request.design
        if design.accelerator.architecture == "dataflow":
            folding = self._folded(trained)
        else:
            folding, self._figures["estimated"] = None, estimate(design, trained.gates)
        hardware = generate(trained.program, folding)
        self._say(f"Generated the accelerator, build id {hardware.build_id:016x}.")
        return hardware

    def _folded(self, trained: TrainedDesign) -> Folding:
        """Fold a dataflow accelerator, its channels dealt to lanes by the measured gates where that still fits."""
        design = self._request.design
        folding = solve(design, trained.gates)
        self._figures["estimated"] = estimate(design, trained.gates, folding)
        dealt, gates = deal_channels(folding, trained.gates, trained.program, trained.calibration[:_DEALING_IMAGES])
        figures = estimate(design, gates, dealt)
        if within(figures, design, self._device):
            folding, self._figures["estimated"] = dealt, figures
        return folding

    def _simulate(self, trained: TrainedDesign, hardware: GeneratedHardware) -> Verification:
        images = self._request.test_set.images[: self._request.images]
        self._say(f"Simulating {len(images)} test images with Verilator.")
        options = SimulationOptions(jobs=self._request.jobs, compile=CompileOptions(jobs=self._request.jobs))
        found = verify(hardware, trained.program, images, options)
        self._figures["simulated"] = simulated_figures(self._latest, found.simulation, self._clock_mhz)
        self._say(
            f"All {found.logits:,} logits are the program's, bit for bit: frames back to back, with random pauses, and "
            f"after a reset in mid-frame. {found.simulation.cycles_per_frame:,.0f} cycles a frame."
        )
        return found

    def _synthesise(self, hardware: GeneratedHardware) -> SynthesisResult:
        self._say("Synthesising with Yosys, unit by unit.")
        options = SynthesisOptions(family=self._device.family, jobs=self._request.jobs)
        found = synthesise(hardware.rtlil, hardware.top, options)
        self._figures["synthesised"] = synthesised_figures(self._latest, found)
        self._say(
            f"Synthesised {len(found.units)} units ({found.tool}): {found.lut:,} LUT, {found.ff:,} FF, {found.bram18} "
            f"BRAM18, {found.dsp} DSP; longest path {found.levels} levels."
        )
        return found

    def _implement(self, trained: TrainedDesign, hardware: GeneratedHardware) -> Implementation:
        """Write Vivado's plan and, unless only that is wanted, build it."""
        # The plan holds what defines the hardware and no figure: it must not change when an estimate does.
        named = {"design_key": self._request.design.key}
        bundle = bundle_bytes(**self._bundle_parts(trained, hardware), facts=named)
        found = implement(self._request, hardware, bundle, self._listener)
        if found.build is not None:
            self._figures["synthesised"] = vivado_synthesised_figures(self._latest, found.build)
            self._figures["implemented"] = implemented_figures(self._latest, found.build)
            slack_ns = found.build.timing.wns_ns
            self._say(f"Placed and routed; worst slack {slack_ns} ns at {self._clock_mhz:g} MHz.")
        return found

    def _pack(self, trained: TrainedDesign, hardware: GeneratedHardware, build: VivadoResult | None) -> Path:
        target = self._request.folder / f"{self._request.design.key}.fracdse"
        self._request.folder.mkdir(parents=True, exist_ok=True)
        digest = write_bundle(
            target,
            **self._bundle_parts(trained, hardware),
            facts=self._facts(trained, hardware),
            bitstream=build.bitstream.read_bytes() if build else None,
            handoff=build.handoff.read_bytes() if build else None,
        )
        self._say(f"Wrote the bundle {target}, SHA-256 {digest}.")
        return target

    def _bundle_parts(self, trained: TrainedDesign, hardware: GeneratedHardware) -> dict[str, Any]:
        images = self._request.test_set.images[:_GOLDEN_IMAGES]
        return {
            "program": trained.program,
            "folding": hardware.folding,
            "build_id": hardware.build_id,
            "golden_images": images,
            "golden_logits": Executor(trained.program).run(images).logits,
            "verilog": hardware.verilog,
        }

    def _run_on_board(self, bundle: Path, address: str) -> BoardReport:
        """Run the test images on the board and compare every logit; 'sim' stands for a simulated board."""
        contents = read_bundle(bundle)
        count = self._request.images
        images, labels = self._request.test_set.images[:count], self._request.test_set.labels[:count]
        if address == "sim":
            with simulated_session(contents) as session:
                report = run_selftest(contents, session.address, images, labels)
        else:
            report = run_selftest(contents, address, images, labels)
            self._figures["measured"] = measured_figures(self._latest, report)
        self._say(
            f"{report.board}: all logits of {report.frames} frames are the program's; build id {report.build_id:016x}, "
            f"{report.cycles_per_frame:,.0f} cycles a frame, {report.frames_per_s:,.0f} frames/s at "
            f"{report.clock_set_mhz:g} MHz (asked: {report.clock_asked_mhz:g})."
        )
        return report

    def _facts(self, trained: TrainedDesign, hardware: GeneratedHardware) -> dict[str, Any]:
        """Return what is known of this design, as plain values that do not change from run to run."""
        found = trained.agreement
        return {
            **self._request.facts,
            "design_key": self._request.design.key,
            "build_id": f"{hardware.build_id:016x}",
            "seed": self._request.seed,
            "test_images": found.images,
            "test_accuracy": found.program_accuracy,
            "float_test_accuracy": found.float_accuracy,
            "same_class": found.same_class,
            "hardware": {kind: figures.to_dict() for kind, figures in self._figures.items()},
        }

    @property
    def _latest(self) -> HardwareFigures:
        return next(reversed(self._figures.values()))

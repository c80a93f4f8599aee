"""The integer view: lowering, execution and file format of integer programs."""

from fracdse.program.executor import ExecutionResult, Executor
from fracdse.program.file_format import load_program, program_bytes, save_program
from fracdse.program.lowering import lower
from fracdse.program.model import Program

__all__ = ["ExecutionResult", "Executor", "Program", "load_program", "lower", "program_bytes", "save_program"]

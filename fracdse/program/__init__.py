"""The integer view: lowering, execution and file format of integer programs."""

"""Synthesising units and whole small networks, to fit the hardware model to."""

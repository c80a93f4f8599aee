"""The RTL view: Amaranth units and the accelerator's top level."""

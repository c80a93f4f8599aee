"""The cost view: resources, cycles and power of a design, without building it."""

"""What figures and choices are called on plots and pages, with their units."""

LABELS = {
    "accuracy": "validation accuracy (%)",
    "bram18": "BRAM (18 Kib blocks)",
    "dsp": "DSP slices",
    "lut": "LUTs",
    "ff": "flip-flops",
    "fps": "frames/s",
    "cycles_per_frame": "cycles a frame",
    "latency_us": "latency (µs)",
    "power_w": "power (W)",
}

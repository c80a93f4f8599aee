"""The compact accelerator: one array of lanes that takes the layers in turn, all weights on chip."""

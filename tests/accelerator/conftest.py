"""Its being here lets the folders below import the helpers beside it."""

"""The commands of `coexist`, a module for each or for each group."""

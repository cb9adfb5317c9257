"""The verbs of the program as steps that may be run again: snapshot, plan, verify, restore, prove, rebuild.

Each flow takes its clock, its randomness and its store, reports through a listener and returns a value; the command
line only words it. A flow that is killed is run again with the same command, and recovery is its first step.
"""

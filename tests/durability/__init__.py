"""Crashes, damaged files and failing disks: what a node must still know afterwards, and when it must refuse."""

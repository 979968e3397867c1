"""Drawings on pictures and boxes in volumes, as the clients of MONAI Label read and write them.

Each format has a file of its own. None of them knows of requests: they turn answers into bytes or
plain values, and uploaded bytes into answers.
"""

"""Limner: a labelling server for medical images that learns while people label."""

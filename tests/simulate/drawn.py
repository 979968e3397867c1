"""Small pictures that take a few labels to tell apart, with a table of what they show."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np


def draw_pictures(folder: Path, count: int) -> tuple[Path, Path]:
    """Draw dark and bright pictures that overlap a little.

    Returns:
        Their folder, and a table with `image`, `label` and `split`: the last third is `test`.
    """
    images = folder / "images"
    images.mkdir(parents=True)
    rows = ["image,label,split"]
    for number in range(count):
        random = np.random.default_rng(number)
        kind = number % 2
        pixels = random.normal(100 + 6 * kind + random.normal(0, 6), 10 + 2 * kind, (16, 16))
        name = f"p-{number:02d}.png"
        content = imagecodecs.png_encode(np.clip(pixels, 0, 255).astype(np.uint8))
        (images / name).write_bytes(content)
        split = "test" if number >= count * 2 // 3 else "train"
        rows.append(f"{name},{('dark', 'bright')[kind]},{split}")
    table = folder / "labels.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return images, table

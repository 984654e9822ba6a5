"""``lptn-retouch train``: train a preset from pairs of pictures, as a TOML file says; resumes where it stopped."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("train", help="train a preset", description=__doc__)
    parser.add_argument("config", metavar="CONFIG.toml", type=Path)
    parser.add_argument("--run", dest="folder", metavar="FOLDER", type=Path, help="default: runs/NAME")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import torch

    from lptn_retouch.preset import write_preset
    from lptn_retouch.training.config import read_config
    from lptn_retouch.training.trainer import train

    config = read_config(args.config)
    folder = args.folder or Path("runs") / config.preset.name
    weights = train(config, folder, lambda line: print(line, file=sys.stderr, flush=True))
    header = {
        "version": "1",
        "summary": config.preset.summary,
        "training_data": config.preset.training_data,
        "licence": config.preset.licence,
    }
    file = folder / f"{config.preset.name}.safetensors"
    write_preset(file, torch.load(weights, weights_only=True), header)
    print(f"{file}\ninstall it with: lptn-retouch presets import {file} --name {config.preset.name}")
    return 0

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from limner.plugin import UnsuitableInput
from limner_apps.classification.initial_weights import load_initial_weights
from limner_apps.classification.network import build_network
from limner_apps.classification.plan import Plan

PLAN = Plan(
    model="resnet18",
    width=8,
    stem="small",
    axes=2,
    channels=1,
    intensity="channel",
    bounds=(0.0, 0.0),
    mean=0.0,
    deviation=1.0,
    shape=(28, 28),
    batch=4,
    dropout=0.5,
    mirrored=(),
)


def plan(**changes: object) -> Plan:
    return replace(PLAN, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["resnet18", "resnet50", "vgg16"])
@pytest.mark.parametrize("shape", [(28, 28), (16, 8), (96, 48)])
def test_every_network_takes_pictures_of_every_size(model: str, shape: tuple[int, int]) -> None:
    stem = "small" if max(shape) <= 64 else "large"
    network = build_network(plan(model=model, shape=shape, stem=stem), 3)
    logits = network(torch.zeros(2, 1, *shape))
    assert logits.shape == (2, 3)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("model", ["resnet18", "resnet50"])
def test_residual_networks_take_volumes(model: str) -> None:
    network = build_network(plan(model=model, axes=3, shape=(16, 8, 12)), 2)
    assert network(torch.zeros(2, 1, 16, 8, 12)).shape == (2, 2)


def test_the_small_stem_keeps_the_resolution_and_the_large_one_quarters_it() -> None:
    image = torch.zeros(1, 1, 64, 64)
    cells = {}
    for stem in ("small", "large"):
        network = build_network(plan(stem=stem, shape=(64, 64)), 2).eval()
        layers = list(network.layers())
        cells[stem] = nn.Sequential(*layers[:-3])(image).shape[-1]
    assert cells == {"small": 64, "large": 16}


@pytest.mark.parametrize(
    ("model", "build"),
    [
        ("resnet18", torchvision.models.resnet18),
        ("resnet50", torchvision.models.resnet50),
        # 138 million weights are drawn for it.
        pytest.param("vgg16", torchvision.models.vgg16_bn, marks=pytest.mark.slow),
    ],
)
def test_a_network_as_published_computes_what_torchvisions_does(
    model: str, build: type[nn.Module], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    published = build(num_classes=5).eval()
    torch.save(published.state_dict(), tmp_path / "published.pth")
    large = plan(model=model, stem="large", width=64, channels=3, shape=(64, 64))
    network = build_network(large, 2).eval()
    note = load_initial_weights(network, tmp_path / "published.pth")
    assert note == "Started from the weights in published.pth."
    image = torch.randn(1, 3, 64, 64)
    backbone = nn.Sequential(*list(published.children())[: 1 if model == "vgg16" else -2])
    with torch.no_grad():
        assert torch.allclose(network.backbone(image), backbone(image), atol=1e-5)


@pytest.fixture(scope="module")
def resnet18_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "r.pth"
    torch.save(torchvision.models.resnet18().state_dict(), path)
    return path


def test_weights_made_for_colour_are_summed_for_grey_images(resnet18_file: Path) -> None:
    network = build_network(plan(stem="large", width=64, shape=(96, 96)), 2)
    load_initial_weights(network, resnet18_file)
    own = network.backbone.state_dict()["conv1.weight"]
    colour = torch.load(resnet18_file, weights_only=True)["conv1.weight"]
    assert torch.allclose(own, colour.sum(1, keepdim=True))


def test_a_small_stem_stays_random_and_the_note_says_so(resnet18_file: Path) -> None:
    network = build_network(plan(width=64), 2)
    note = load_initial_weights(network, resnet18_file)
    assert note == "Started from the weights in r.pth, but for conv1.weight."


def test_weights_that_do_not_fit_are_refused_in_words(resnet18_file: Path, tmp_path: Path) -> None:
    network = build_network(PLAN, 2)
    (tmp_path / "text.pth").write_text("nothing")
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "v.pth")
    torch.save({"state_dict": {"conv1.weight": torch.zeros(1)}}, tmp_path / "nested.pth")
    wrong = [
        (tmp_path / "none.pth", "there is no file"),
        (tmp_path / "text.pth", "is no state dictionary"),
        (tmp_path / "nested.pth", "is no state dictionary"),
        (tmp_path / "v.pth", "has no conv1.weight; it is of another network"),
        (resnet18_file, "choose the model and width"),
    ]
    for path, message in wrong:
        with pytest.raises(UnsuitableInput, match=message):
            load_initial_weights(network, path)


def test_features_that_are_dropped_stay_the_same_until_drawn_again() -> None:
    network = build_network(PLAN, 2).eval()
    features = torch.ones(3, 64)
    plain = network.answer(features)
    network.draw_dropout(torch.Generator().manual_seed(1))
    first, again = network.answer(features), network.answer(features)
    network.draw_dropout(None)
    assert torch.equal(first, again)
    assert not torch.equal(first, plain)
    assert torch.equal(network.answer(features), plain)

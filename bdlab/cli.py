"""The command `bdlab`: thin; each command calls the library and prints what it returns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from bdlab import registry, report
from bdlab.bars import progress

app = typer.Typer(
    name="bdlab",
    help="Backdoor attacks on neural networks, and the defences against them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
zoo = typer.Typer(help="The zoo: small trained networks, each with a card.", no_args_is_help=True)
app.add_typer(zoo, name="zoo")
console = Console(width=None if sys.stdout.isatty() else 120)


class Device(StrEnum):
    """Where to compute; auto takes a GPU where there is one."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


SeedOption = Annotated[int, typer.Option(help="Draws weights, batches, poisons and overlays.", min=0)]
DeviceOption = Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")]
DataOption = Annotated[str, typer.Option(help="digits, signs, mnist, fashion_mnist, cifar10, gtsrb or speech.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="A setting of the attack, name=value; repeat it.")]
OutOption = Annotated[Path | None, typer.Option(help="Folder for figures and results.json [default: below runs/].")]


def main() -> None:
    """Run the command; what the library refuses becomes one line on stderr and exit status 2."""
    try:
        app()
    except (ValueError, TypeError, FloatingPointError, OSError) as refused:
        if os.environ.get("BDLAB_TRACEBACK"):
            raise
        typer.echo(f"error: {refused}", err=True)
        raise SystemExit(2) from None


def _device(choice: Device) -> torch.device:
    if choice is Device.cuda and not torch.cuda.is_available():
        raise ValueError("--device must be auto or cpu here, got cuda; torch finds no CUDA device")
    cuda = choice is not Device.cpu and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")


@app.command()
def demo(data: DataOption = "digits", seed: SeedOption = 0, device: DeviceOption = Device.auto) -> None:
    """The main job in two minutes: a clean model, a backdoored one, and a detector for its inputs.

    Example: `bdlab demo --data signs`
    """
    console.print(f"Training a clean and a backdoored network on '{data}', then filtering inputs with STRIP ...")
    _run("badnets", data, "strip", "small_bn", [], [], seed, device, Path("runs") / f"demo-{data}")


@app.command()
def run(
    attack: Annotated[str, typer.Argument(help="See `bdlab list`.")],
    data: DataOption = "digits",
    defense: Annotated[str | None, typer.Option(help="See `bdlab list`.")] = None,
    net: Annotated[str, typer.Option(help="See `bdlab list`.")] = "small_bn",
    set_: SetOption = None,
    set_defense: Annotated[list[str] | None, typer.Option(help="A setting of the defence, name=value.")] = None,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    out: OutOption = None,
) -> None:
    """One attack against one defence: tables, figures and results.json.

    Example: `bdlab run badnets --data signs --defense strip --set rate=0.05 --set trigger.shape=pattern`
    """
    folder = out or Path("runs") / report.run_name(attack, data, defense, net, seed, set_ or [], set_defense or [])
    _run(attack, data, defense, net, set_ or [], set_defense or [], seed, device, folder)


def _run(
    attack: str, data: str, defense: str | None, net: str, settings: list[str], defense_settings: list[str],
    seed: int, device: Device, folder: Path,
) -> None:  # fmt: skip
    from bdlab import load
    from bdlab.experiments.duel import duel, targets
    from bdlab.experiments.duel_figures import pictures
    from bdlab.nets import build
    from bdlab.settings import with_settings

    make = with_settings(registry.find("attack", attack).make(seed=seed), settings)
    guard = with_settings(registry.find("defense", defense).make(seed=seed), defense_settings) if defense else None
    where = _device(device)
    dataset = load(data)
    model = build(net, dataset.input_shape, dataset.classes, seed=seed).to(where)
    with progress():
        result = duel(dataset, model, make, guard, seed=seed)
    for line in (dataset, make, guard):
        console.print(f"  {line}", style="dim", highlight=False, markup=False) if line else None
    for table in report.duel_tables(result, targets(result.backdoor.relabel, dataset.test)):
        console.print(table)
    methods = {"attack": report.settings(make), "defense": guard and report.settings(guard)}
    command = {**methods, "data": data, "net": net, "seed": seed}
    paths = report.write_run(
        folder, {**command, "device": str(where)}, result.as_dict(), pictures(result, guard, dataset, seed)
    )
    console.print(f"Wrote {', '.join(map(str, paths))} ({sum(result.seconds.values()):.0f} s)", highlight=False)


@app.command()
def reproduce(
    paper: Annotated[str, typer.Argument(help="attacks (all, with their defaults), or a paper such as trojaning.")],
    data: DataOption = "mnist",
    seeds: Annotated[int, typer.Option(help="How many seeds.", min=1)] = 3,
    first_seed: Annotated[int, typer.Option(help="The first of them.", min=0)] = 0,
    device: DeviceOption = Device.auto,
    write: Annotated[Path | None, typer.Option(help="Also put the table into this Markdown page.")] = None,
) -> None:
    """A paper's figures beside ours: holds, holds if, does not. Stopped half way, the same command goes on.

    Example: `bdlab reproduce badnets --data mnist --write docs/results.md`
    """
    from bdlab import load
    from bdlab.experiments import find
    from bdlab.experiments.journal import Journal

    run = find(paper)
    folder = Path("runs") / f"reproduce-{paper}-{data}"
    where, every = _device(device), range(first_seed, first_seed + seeds)
    with progress():
        result = run(load(data), every, where, Journal.open(folder / "journal.jsonl", where))
    console.print(report.claims_table(result))
    page = write or folder / "results.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    for name, figure in result.figures.items():
        figure.save(page.parent / "figures" / name)
    given = (("seeds", seeds, 3), ("first-seed", first_seed, 0))
    options = "".join(f" --{name} {value}" for name, value, usual in given if value != usual)
    command = f"bdlab reproduce {paper} --data {data}{options}"
    report.write_section(page, f"{paper} {data}", report.reproduction_section(result, command))
    console.print(f"Wrote {page}", highlight=False)


@app.command()
def gallery(
    data: DataOption = "signs",
    seed: SeedOption = 0,
    write: Annotated[Path, typer.Option(help="The Markdown page; figures go beside it.")] = Path(
        "runs/gallery/gallery.md"
    ),
) -> None:
    """Every trigger on one wall: pictures, numbers, spectra.

    Example: `bdlab gallery --write docs/gallery.md`
    """
    from bdlab import load
    from bdlab.experiments.gallery import page, wall

    dataset = load(data)
    with progress():
        text, figures = page(wall(dataset, seed), dataset)
    for name, figure in figures.items():
        figure.save(write.parent / "figures" / name)
    report.write_text(write, text)
    console.print(f"Wrote {write} and {len(figures)} figures", highlight=False)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Everything there is: data sets, nets, triggers, attacks, defences, lessons, exercises.

    Example: `bdlab list --json`
    """
    from bdlab.listing import contents as listed

    contents = listed()
    if as_json:
        print(json.dumps(contents, indent=2))
        return
    for kind, things in contents.items():
        if things:
            rows = [(thing["name"], thing["about"], thing.get("paper", "")) for thing in things]
            console.print(report.rows_table((kind, "what it is", "paper"), rows, ""))


@zoo.command("list")
def zoo_list(write: Annotated[Path | None, typer.Option(help="Also write this Markdown page.")] = None) -> None:
    """The networks that lessons use.

    Example: `bdlab zoo list --write docs/zoo.md`
    """
    from bdlab.zoo import pages

    console.print(report.rows_table(pages.HEADER, pages.rows(), "The zoo"))
    if write:
        report.write_text(write, pages.page())


@zoo.command()
def show(name: Annotated[str, typer.Argument(help="See `bdlab zoo list`.")]) -> None:
    """A network's card; its file is checked.

    Example: `bdlab zoo show signs-badnets`
    """
    from bdlab.zoo import card, load, pages

    load(name)
    console.print(report.rows_table(("", name), pages.told(card(name)), "", "The file is the one of the card."))


@zoo.command()
def build(name: Annotated[str | None, typer.Argument(help="Which [default: all].")] = None) -> None:
    """Train a network of the zoo anew, with each seed of its card; minutes.

    Example: `bdlab zoo build signs-badnets`
    """
    from bdlab.zoo import building, plans

    with progress():
        for plan in plans.chosen(name):
            console.print(building.build(plan), highlight=False)


@app.command()
def doctor() -> None:
    """Look at this machine: versions, cores, GPU, cache folder, data sets, display.

    Example: `bdlab doctor`
    """
    from bdlab.doctor import WORDS, examine

    findings = list(examine())
    console.print(
        report.rows_table(("what", "", "found"), [(f.what, WORDS[f.ok], f.text) for f in findings], "bdlab doctor")
    )
    if any(f.ok is False for f in findings):
        raise typer.Exit(1)


@app.command()
def lab(port: Annotated[int, typer.Option(help="Port of the server.")] = 8888) -> None:
    """JupyterLab on lessons/; without a display it prints the URL.

    Example: `bdlab lab --port 8889`
    """
    from bdlab.doctor import has_display

    lessons = _checkout("lessons")
    options = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    options += [] if has_display() else ["--no-browser"]
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={lessons}", f"--port={port}", *options]
    raise typer.Exit(subprocess.call(command))


@app.command()
def bench(
    rows: Annotated[str | None, typer.Option(help="Which rows, comma between [default: all].")] = None,
    repeats: Annotated[int, typer.Option(help="Paired runs; the median counts.", min=1)] = 5,
) -> None:
    """Time the library beside others; `make bench` sets them up first.

    Example: `bdlab bench --rows poison --repeats 3`
    """
    script = _checkout("benchmarks") / "run.py"
    chosen = ["--rows", rows] if rows else []
    raise typer.Exit(subprocess.call([sys.executable, str(script), *chosen, "--repeats", str(repeats)]))


def _checkout(folder: str) -> Path:
    """A folder of the repository that this package was installed from, or that we stand in."""
    for root in (Path.cwd(), Path(__file__).resolve().parents[1]):
        if (root / folder).is_dir() and (root / "pyproject.toml").exists():
            return root / folder
    raise FileNotFoundError(f"folder {folder}/ is not here; run this in a checkout of the repository")


if __name__ == "__main__":
    main()

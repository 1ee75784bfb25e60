"""Invented records, small enough to draw in a test."""

import json

import numpy as np
from PIL import Image

SOURCES = ["rendered_plaza", "rendered_mall", "rendered_film"]
TARGETS = ["rendered_snow", "rendered_night"]
ROWS = {
    "identity": ("L_IDE", 0.20),
    "triplet": ("L_IDE + L_Triplet", 0.24),
    "alignment": ("L_IDE + L_Triplet + L_DA", 0.24),
    "similarity": ("L_IDE + L_Triplet + L_DA + L_SE", 0.22),
}


def record(experiment="table5", row="identity", seed=1, rank1=0.2, **changes):
    """One line of results.jsonl; the second target is ten points easier."""
    scores = {
        target: {"rank-1": rank1 + 0.1 * place, "rank-5": rank1 + 0.3, "mAP": rank1 + 0.05}
        for place, target in enumerate(TARGETS)
    }
    return {
        "experiment": experiment,
        "row": row,
        "label": ROWS.get(row, (row, 0))[0],
        "seed": seed,
        "domains": "rendered",
        "sources": SOURCES,
        "targets": TARGETS,
        "config": {
            "model": {"name": "ddan_mobilenetv2_x0_35"},
            "data": {"height": 32, "width": 16},
            "train": {"batch_size": 24, "max_epoch": 3, "seed": seed},
            "ddan": {
                "central_domain": "rendered_film",
                "alignment": "central",
                "weight_similarity": 0.05,
                "top_k": 8,
            },
        },
        "options": {"scale": "tiny", "average_last": 0, "initial_weights": ""},
        "digest": f"digest-{row}",
        "versions": {"torch": "2.15.0"},
        "git": {"commit": "0123456789abcdef", "dirty": True},
        "machine": "2 CPU cores",
        "seconds": 1800.0,
        "steps": 27,
        "curves": {
            "epoch": [1, 2, 3],
            "loss_id": [3.0, 2.0, 1.5 + 0.1 * seed],
            "acc_domain": [60.0, 55.0, 52.0],
            "loss_similarity": [None, None, 0.2],
            "share_rendered_film": [0.25, 0.25, 0.25],
        },
        "scores": scores,
        "finished": f"2025-11-16T16:0{seed}:00+00:00",
        **changes,
    }


def table5(seeds=(1, 2)):
    """Two clear steps up, none, and down, with a little difference between the seeds."""
    return [
        record(row=row, seed=seed, rank1=gain + 0.004 * seed + 0.002 * seed * (row == "triplet"))
        for seed in seeds
        for row, (_, gain) in ROWS.items()
    ]


GRADIENTS = {
    "gradient_loss_id": [2.0, 1.0, 1.0],
    "gradient_loss_triplet": [0.5, 0.5, 0.5],
    "gradient_loss_confusion": [0.2, 0.1, 0.1],
    "gradient_loss_similarity": [None, None, 0.004],
}
MATRIX = [[0.0, 0.9, 0.5], [0.9, 0.0, 0.4], [0.5, 0.4, 0.0]]


def explained(seeds=(1, 2)):
    """Table 5 with all that says why: a term more in each row, domains nearer, look-alikes."""
    records = table5(seeds)
    for each in records:
        step, seed = list(ROWS).index(each["row"]), each["seed"]
        for key, values in list(GRADIENTS.items())[: step + 1]:
            grows = seed if key == "gradient_loss_similarity" else 1
            each["curves"][key] = [None if v is None else grows * v for v in values]
        if step < 2:
            del each["curves"]["acc_domain"]
        nearer = 0.5 if step >= 2 else 1.0
        each["distances"] = {
            "names": SOURCES,
            "matrix": (nearer * np.array(MATRIX)).tolist(),
            "self": [0.1, 0.1, 0.1],
            "central": "rendered_film",
        }
        accuracy = 0.5 + 0.01 * seed if step >= 2 else 0.6 + 0.02 * seed
        each["domain_probe"] = {"accuracy": accuracy, "chance": 0.4}
        each["central_probe"] = {"balanced": accuracy - 0.1}
        each["erased"] = {
            question: {
                "directions": count,
                "variance": 0.1 * count,
                "probe": 0.4 + 0.1 * (count == 1),
                "scores": {
                    target: {
                        metric: scores[metric] + (0.01 * seed if count == 2 else -0.001)
                        for metric in ("rank-1", "mAP")
                    }
                    for target, scores in each["scores"].items()
                },
            }
            for question, count in (("sources", 2), ("centre", 1))
        }
        # At home, every step is twice as large.
        gain = each["scores"][TARGETS[0]]["rank-1"] - 0.2
        each["home"] = {
            source: {"rank-1": 0.5 + 2 * gain + 0.1 * place, "mAP": 0.4 + gain}
            for place, source in enumerate(SOURCES)
        }
        each["neighbours"] = {
            "k": 8,
            "identities": 20,
            "found": 0.4 if step == 3 else (0.3 if step < 2 else 0.2) + 0.05 * seed,
            "chance": 0.1,
            "colour": 20.0,
            "colour_chance": 41.5,
        }
        each["options"] |= {"targets": "targets", "pretrain_epochs": None, "pairs": []}
    return records


def with_in_bn(records):
    """The same once more as rows with IN/BN, ten points lower at home."""
    found = list(records)
    for each in records:
        changes = {"row": f"in_bn_{each['row']}", "label": f"{each['label']}, IN/BN"}
        home = {
            name: {"rank-1": scores["rank-1"] - 0.1}
            for name, scores in each.get("home", {}).items()
        }
        found.append(each | changes | {"digest": f"in-{each['digest']}", "home": home})
    return found


def searched(seeds=(1, 2, 3)):
    """Three settings on two validation domains, half an hour a run."""
    names = ["rendered_harbour", "rendered_arcade"]
    found = []
    for row, label, gain in (
        ("triplet", "L_IDE + L_Triplet", 0.2),
        ("da-1", "L_DA x 1", 0.23),
        ("da-5", "L_DA x 5", 0.25),
    ):
        for seed in seeds:
            scores = {name: {"rank-1": gain + 0.01 * seed, "mAP": gain} for name in names}
            each = record("search", row, seed, label=label, scores=scores, targets=names)
            each["digest"] = f"search-{row}"
            each["options"] |= {
                "targets": "validation",
                "pretrain_epochs": 5,
                "initial_weights": "pretrain",
                "pairs": ["train.lr", "0.05"],
            }
            found.append(each)
    return found


def others(folder):
    """Tables 1, 2, 4 and Figures 2, 3, without curves, with their files written to a folder."""
    matrix = MATRIX
    distances = {
        "names": SOURCES,
        "matrix": matrix,
        "self": [0.1, 0.1, 0.1],
        "central": "rendered_film",
    }
    moved = {"names": SOURCES, "to_baseline": [0.2, 0.3, 0.4]}
    found = [
        record("table2", "baseline", distances=distances),
        record("table2", "pairwise", label="All domains", distances=moved),
    ]
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png", "c.png", "ranking.png"):
        pixels = rng.integers(0, 255, (40, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    triple = {
        "anchor": "a.png",
        "same_domain": "b.png",
        "other_domain": "c.png",
        "anchor_domain": "rendered_plaza",
        "other_domain_name": "rendered_mall",
        "without": {"same_domain": 0.7, "other_domain": 0.6},
        "with": {"same_domain": 0.65, "other_domain": 0.83},
        "mended": True,
    }
    counts = {"triples": 50, "mended": 9, "broken": 4}
    found += [
        record("table4", "without", label="without L_SE"),
        record("table4", "with", label="with L_SE", triples=[triple], triple_counts=counts),
    ]
    for row, scale in (("identity", 1.0), ("similarity", 0.5)):
        file = f"{row}.npz"
        np.savez(
            folder / file,
            xy=rng.normal(size=(30, 2)).astype(np.float32),
            domain=np.arange(30) % 3,
            names=np.array(SOURCES),
        )
        smaller = {**distances, "matrix": (scale * np.array(matrix)).tolist()}
        extra = {"embedding": {"file": file}, "distances": smaller}
        found.append(record("figure2", row, digest=f"figure2-{row}", **extra))
    for k, rank1 in ((0, 0.2), (8, 0.23)):
        parameter = {"name": "top_k", "value": k}
        found.append(
            record("figure3", f"k-{k}", rank1=rank1, label=f"k = {k}", parameter=parameter)
        )
    ranked = [{"query": "q.png", "gallery": [["g.png", 1], ["h.png", 0]]}]
    pictures = {"ranking_picture": "ranking.png", "rankings": {TARGETS[0]: ranked}}
    found += [
        record("table1", "baseline", label="Baseline", **pictures),
        record("table1", "ddan", rank1=0.25, label="DDAN", **pictures),
    ]
    return [each | {"curves": {}} for each in found]


def write(folder, records):
    """Makes an output folder of them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(each) + "\n" for each in records]
    (folder / "results.jsonl").write_text("".join(lines))
    return folder

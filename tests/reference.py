"""Slow references for Eqs. 1 to 8, written from the paper and independent of the package.

One scalar or one image at a time, in float64, in plain Python wherever that is bearable.
"""

import itertools
import math

import numpy as np


def log_softmax(values, temperature=1.0):
    """Log-softmax of a list, shifted by its maximum so that nothing overflows."""
    scaled = [float(v) / temperature for v in values]
    largest = max(scaled)
    shifted = [v - largest for v in scaled]
    log_sum = math.log(math.fsum(math.exp(v) for v in shifted))
    return [v - log_sum for v in shifted]


def cross_entropy(logits, labels, label_smoothing=0.0):
    """Eqs. 1 and 4."""
    losses = []
    for row, label in zip(logits, labels, strict=True):
        log_p = log_softmax(row)
        one_hot = (1 - label_smoothing) * -log_p[int(label)]
        losses.append(one_hot + label_smoothing * -math.fsum(log_p) / len(log_p))
    return math.fsum(losses) / len(losses)


def balanced_accuracy(logits, labels):
    """In percent, a mean over the classes that some label names."""
    rates = []
    for each in set(labels):
        rows = [row for row, label in zip(logits, labels, strict=True) if label == each]
        rates.append(sum(row.index(max(row)) == each for row in rows) / len(rows))
    return 100 * sum(rates) / len(rates)


def batch_hard_triplet(features, pids, margin, normalize):
    """Eq. 2 with a hinge, mean over the anchors that have a negative."""
    points = [[float(v) for v in row] for row in features]
    if normalize:
        points = [[v / max(math.hypot(*row), 1e-12) for v in row] for row in points]
    losses = []
    for anchor, pid in zip(points, pids, strict=True):
        same = [math.dist(anchor, x) for x, p in zip(points, pids, strict=True) if p == pid]
        other = [math.dist(anchor, x) for x, p in zip(points, pids, strict=True) if p != pid]
        if other:
            losses.append(max(0.0, max(same) - min(other) + margin))
    return math.fsum(losses) / len(losses) if losses else 0.0


def domain_confusion(logits, mode):
    """Eq. 5 in its three readings."""
    losses = []
    for row in logits:
        log_p = log_softmax(row)
        if mode == "uniform":
            losses.append(-math.fsum(log_p) / len(log_p))
        elif mode == "entropy":
            losses.append(math.fsum(math.exp(v) * v for v in log_p))
        else:
            losses.append(-log_p[1])
    return math.fsum(losses) / len(losses)


def kl(p, log_p, log_q):
    return math.fsum(a * (b - c) for a, b, c in zip(p, log_p, log_q, strict=True))


def similarity_enhancement(features, neighbours, temperature, reduction, valid, log="exact"):
    """Eq. 8: one pair of image and identity at a time, both directions of the KL divergence.

    ``log="released"`` adds 1e-8 to each probability of which the logarithm is taken.
    """

    def probabilities(values):
        log_p = log_softmax(values, temperature)
        p = [math.exp(v) for v in log_p]
        return p, [math.log(v + 1e-8) for v in p] if log == "released" else log_p

    total, pairs, per_image = 0.0, 0, 0.0
    for image, rows, flags in zip(features, neighbours, valid, strict=True):
        p, log_p = probabilities(image)
        of_image = []
        for row, flag in zip(rows, flags, strict=True):
            if flag:
                q, log_q = probabilities(row)
                of_image.append(kl(p, log_p, log_q) + kl(q, log_q, log_p))
        total += math.fsum(of_image)
        pairs += len(of_image)
        per_image += math.fsum(of_image) / max(len(of_image), 1)
    if reduction == "eq8":
        return per_image
    return total / max(pairs, 1) / np.shape(features)[1]


class Pool:
    """Eqs. 6 and 7, one image after the other, every epoch's end kept in a dictionary."""

    def __init__(self, identity_domains, central_domain, update_rate, exclude_own_identity=False):
        self.identity_domains = list(identity_domains)
        self.central_domain = central_domain
        self.update_rate = update_rate
        self.exclude_own_identity = exclude_own_identity
        self.end_of_epoch = {}  # r_hat^(e, \) by identity
        self.r_bar = {}  # (t, r_bar^(e, t)) by identity
        self.r_hat = {}

    def start_epoch(self):
        self.end_of_epoch = dict(self.r_hat)
        self.r_bar = {}

    def update(self, features, pids):
        for x, pid in zip(np.asarray(features, dtype=np.float64), map(int, pids), strict=True):
            t, r_bar = self.r_bar.get(pid, (0, np.zeros_like(x)))
            r_bar = (t * r_bar + x) / (t + 1)
            self.r_bar[pid] = (t + 1, r_bar)
            if pid in self.end_of_epoch:
                a = self.update_rate
                self.r_hat[pid] = a * self.end_of_epoch[pid] + (1 - a) * r_bar
            else:
                self.r_hat[pid] = r_bar

    def ranking(self, image, domain, pid=None):
        """(similarity, identity) of all candidates, most similar first."""
        ranking = []
        for identity, row in self.r_hat.items():
            own_domain = self.identity_domains[identity] == domain
            if own_domain != (domain == self.central_domain):
                continue
            if self.exclude_own_identity and identity == pid:
                continue
            image, row = np.asarray(image, dtype=np.float64), np.asarray(row, dtype=np.float64)
            lengths = np.linalg.norm(image) * np.linalg.norm(row)
            ranking.append((float(image @ row / lengths) if lengths else 0.0, identity))
        return sorted(ranking, reverse=True)


def wasserstein(a, b):
    """d_WS for a handful of samples: the best of all assignments, tried one by one.

    Samples of different sizes are repeated until they are equally many, which keeps the weights.
    """
    a, b = ([unit(row) for row in rows] for rows in (a, b))
    size = math.lcm(len(a), len(b))
    a = [row for row in a for _ in range(size // len(a))]
    b = [row for row in b for _ in range(size // len(b))]
    costs = [[math.dist(x, y) ** 2 for y in b] for x in a]
    return min(
        math.fsum(costs[i][j] for i, j in enumerate(order)) / size
        for order in itertools.permutations(range(size))
    )


def unit(row):
    length = math.hypot(*row)
    return [float(v) / length for v in row]


def central_domain(names, matrix):
    """Eq. 3."""
    sums = []
    for c in range(len(names)):
        sums.append(math.fsum(matrix[c][i] for i in range(len(names)) if i != c))
    return names[sums.index(min(sums))]

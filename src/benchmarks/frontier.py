"""A picture of looks against delay: every peer's default policy, ours as it learns, and the optimum."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.durations import LONGEST
from benchmarks.peers import PEERS
from benchmarks.polling import optimum, ours, with_history
from benchmarks.spending import looks, spent

PAST_JOBS = (0, 1, 3, 10)


def draw(path: Path) -> None:
    """Draw it for automated jobs, into an SVG or PNG by the path's suffix."""
    best = optimum("automated")
    figure = Figure(figsize=(9.5, 6.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([o.polls for o in best.absolute], [o.delay for o in best.absolute], color="0.45", zorder=1)
    axes.annotate("exact optimum, nothing known", (40, 16.3), xytext=(-96, -62), textcoords="offset points",
                  color="0.35", arrowprops={"arrowstyle": "-", "color": "0.6"})  # fmt: skip
    for name, policy in PEERS.items():
        outcome = spent(looks(policy, LONGEST), best.durations)
        axes.scatter(outcome.polls, outcome.delay, color="tab:blue", s=28, zorder=2)
        axes.annotate(name, (outcome.polls, outcome.delay), xytext=(7, 3), textcoords="offset points", fontsize=8)
    learned = [spent(looks(ours(), LONGEST), best.durations)] + [with_history(jobs)[0] for jobs in PAST_JOBS[1:]]
    axes.plot([o.polls for o in learned], [o.delay for o in learned], "-o", color="tab:red", markersize=5, zorder=3)
    axes.annotate(f"this project, nothing known: {learned[0].polls:.0f} looks, {learned[0].delay:.0f} s",
                  (learned[0].polls, learned[0].delay), xytext=(12, -2), textcoords="offset points", color="tab:red",
                  fontsize=9)  # fmt: skip
    axes.annotate(
        "this project, knowing\n"
        + "\n".join(
            f"{jobs} past job{'s' * (jobs > 1)}: {outcome.polls:.1f} looks, {outcome.delay:.0f} s"
            for jobs, outcome in zip(PAST_JOBS[1:], learned[1:], strict=True)
        ),
        (learned[-1].polls, learned[-1].delay),
        xytext=(-86, -86),
        textcoords="offset points",
        color="tab:red",
        fontsize=9,
        arrowprops={"arrowstyle": "-", "color": "tab:red"},
    )
    axes.set(xscale="log", yscale="log", xlim=(4, 1500), ylim=(0.7, 1000))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("looks at a job, mean")
    axes.set_ylabel("seconds from a job's end to the look that finds it, mean")
    axes.set_title("Automated jobs: 90 % take 1-30 min, 10 % about 2 h (assumed)", fontsize=10)
    axes.grid(visible=True, which="major", color="0.9")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Text as text, and the same bytes from the same figures: a picture that is kept in git.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "frontier"}):
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)

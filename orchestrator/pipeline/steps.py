"""The steps of the pipeline: their keys, words and progress. The API knows them, and loads no library for pixels."""

from orchestrator.words.codes import STEPS

LOADING, SEGMENTING, REMOVING, ENHANCING, SAVING = (
    "loading", "segmenting", "removing_reflections", "enhancing", "saving"
)  # fmt: skip
WORDS: dict[str, str] = {
    key: words for words, key in STEPS.items() if key in (LOADING, SEGMENTING, REMOVING, ENHANCING, SAVING)
}
COMPLETE = "Complete!"
STEP_BEGINS = {LOADING: 5, SEGMENTING: 10, REMOVING: 40, ENHANCING: 60, SAVING: 90}  # percent
CHECKPOINTS = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)  # percent that every job reports on its way to 100

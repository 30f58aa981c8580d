# ruff: noqa: E501 -- the lines stand here as the trainer prints them
"""Logs that users reported, shortened and reworded, and what they must be read as."""

from __future__ import annotations

import pytest

from tui.simpletuner.failures.diagnosis import Diagnosis, diagnose
from tui.simpletuner.log.parser import LogParser

_RANK3 = "[rank3]: "
LOGS = {
    "no-usable-samples": """\
[STAGE] ✗ Configuring data backends: Failed to load data backends: (id=dogs) Dataset produced no usable samples. Reasons:
  - batch size times GPUs is too large for the dataset
[ERROR] Fatal Error: Failed to run training: (id=dogs) Dataset produced no usable samples. Reasons:
Traceback (most recent call last):
  File "/src/simpletuner/helpers/data_backend/factory.py", line 2277, in check
    raise ValueError(
ValueError: (id=dogs) Dataset produced no usable samples. Reasons:
""",
    "value-not-allowed": """\
usage: train.py [-h] [--snr_gamma SNR_GAMMA]
train.py: error: argument --model_family: invalid choice: 'pixart_alpha' (choose from 'flux', 'sd3')
Traceback (most recent call last):
  File "/src/predict.py", line 190, in predict
    run_result = self.runner.run(
ValueError: Configuration error
""",
    "shapes-differ": """\
Epoch 1/90, Steps:   0%|          | 0/90 [00:00<?, ?it/s]The size of tensor a (4) must match the size of tensor b (16) at non-singleton dimension 1
Traceback (most recent call last):
  File "/src/train.py", line 1818, in main
    noisy = (
RuntimeError: The size of tensor a (4) must match the size of tensor b (16) at non-singleton dimension 1
""",
    "out-of-memory": f"""\
Epoch 1/20, Steps:   1%|          | 12/2000 [00:41<1:54:00,  3.44s/it, lr=1e-4, step_loss=0.31]
{_RANK3}Traceback (most recent call last):
{_RANK3}  File "/src/simpletuner/train.py", line 60, in <module>
{_RANK3}    trainer.train()
{_RANK3}torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.25 GiB. GPU 3 has a total of 44 GiB.
[rank0]:[W1211 15:03:01.691333399 ProcessGroupNCCL.cpp:4115] Warning: process group has NOT been destroyed
W1211 15:03:05 torch/distributed/elastic/multiprocessing/api.py:897] Sending process 1201 closing signal SIGTERM
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
""",
    "caption-strategy-unknown": """\
[ERROR] Fatal Error: Failed to run training: Unsupported caption strategy: text_file. Supported: 'filename', 'textfile'
[TRAINING] Training failed: Unsupported caption strategy: text_file. Supported: 'filename', 'textfile'
ValueError: Unsupported caption strategy: text_file. Supported: 'filename', 'textfile'
""",
    "metadata-file-name": """\
[STAGE] ✗ Configuring data backends: Failed to load data backends: `file_name` or `*_file_name` must be present as dictionary key
ValueError: `file_name` or `*_file_name` must be present as dictionary key (with type string) in metadata files
""",
    "conditioning-missing": """\
[STAGE] ✗ Configuring data backends: Failed to load data backends: Model requires a conditioning dataset, but none was found.
ValueError: Model requires a conditioning dataset, but none was found.
""",
    "checkpoint-shape": """\
[STAGE] ⏳ Resume Checkpoint: Resuming model: checkpoint-1000
[RANK 0] 2026-06-27 21:46:08,294 [ERROR] Could not load EMA model: Mismatch in number of shadow parameters: expected 26, found 84.
Traceback (most recent call last):
  File "/src/simpletuner/helpers/training/trainer.py", line 1389, in resume_and_prepare
    scheduler = self.init_resume_checkpoint(scheduler=scheduler)
ValueError: loaded state dict contains a parameter group that doesn't match the size of optimizer's group
""",
    "gated-model": """\
[ERROR] Fatal Error: Failed to run training: 401 Client Error. (Request ID: Root=1-77)
Cannot access gated repo for url https://huggingface.co/owner/base/resolve/main/merges.txt.
Access to model owner/base is restricted. You must have access to it and be authenticated to access it.
huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-77)
""",
    "hub-namespace": """\
[STAGE] ⏳ Saving Final Model: Finalizing model and saving to output/cog/cog-0a
[RANK 0] 2026-06-27 21:46:08,294 [ERROR] Error uploading final model to hub: 403 Client Error: Forbidden for url: https://huggingface.co/api/repos/create
huggingface_hub.errors.HfHubHTTPError: 403 Client Error: Forbidden for url: https://huggingface.co/api/repos/create (Request ID: 1)

403 Forbidden: You don't have the rights to create a model under the namespace "example".
""",
    "no-images-discovered": """\
(Rank: 0)  | 1.0        | 8
(Rank: 0)  | 0.65       | 1
No images were discovered by the bucket manager in the dataset: edited.
Traceback (most recent call last):
Exception: No images were discovered by the bucket manager in the dataset: edited.
""",
    "final-save": """\
Epoch 25/25, Steps: 100%|██████████| 50/50 [04:12<00:00,  4.82s/it, lr=1e-4, step_loss=0.31]
'NoneType' object has no attribute 'peft_config'
Traceback (most recent call last):
  File "/src/train.py", line 2375, in main
AttributeError: 'NoneType' object has no attribute 'peft_config'
""",
    "process-ended": """\
[ERROR] Training job failed to start: Accelerate launch exited with status 1: E0000 torch elastic: Training job failed to start
RuntimeError: Accelerate launch exited with status -9
""",
    "cache-out-of-memory": """\
[STAGE] ⏳ VAE Cache initialising (64/210)
[RANK 0] 2026-06-17 10:37:39,348 [ERROR] Error encoding images: CUDA out of memory. Tried to allocate 2.00 GiB
[STAGE] ✓ VAE Cache initialising (100.0%): VAE cache initialization complete
Epoch 1/5, Steps:   1%|          | 1/100 [00:03<05:00,  3.0s/it, lr=1e-4, step_loss=0.3]
Epoch 1/5, Steps:   2%|▏         | 2/100 [00:06<05:00,  3.0s/it, lr=1e-4, step_loss=0.3]
Epoch 1/5, Steps:   3%|▏         | 3/100 [00:09<05:00,  3.0s/it, lr=1e-4, step_loss=0.3]
FileNotFoundError: [Errno 2] No such file or directory: 'cache/vae/flux/a/36.pt'
""",
}


@pytest.mark.parametrize("rule", LOGS)
def test_a_reported_log_is_read_rightly(rule: str) -> None:
    assert diagnose(LOGS[rule]).rule == rule


def test_out_of_memory_while_caching_is_not_said_of_a_step() -> None:
    diagnosis = diagnose(LOGS["cache-out-of-memory"], config={"vae_batch_size": 4})
    assert "step" not in diagnosis.title + diagnosis.what
    assert diagnosis.changes == {"vae_batch_size": 1}


def test_the_exit_of_the_launcher_is_never_called_the_cause() -> None:
    diagnosis = diagnose(LOGS["process-ended"])
    said = " ".join([diagnosis.title, diagnosis.what, *diagnosis.advice]).lower()
    assert "accelerate" not in said
    assert "exited" not in said


def test_an_old_bar_is_no_failure_of_the_reader() -> None:
    log = "Steps:  76%|_________       | 114/150 [12:11<03:40,  6.13s/it, lr=1e-6, step_loss=0.1]\n"
    assert isinstance(diagnose(log), Diagnosis)
    LogParser().feed(log.encode())


def test_several_bars_on_one_line_end_at_the_last() -> None:
    log = (
        "Epoch 38/65, Steps:  57%|█████▊    | 5750/10000 [18:09<12:43,  5.57it/s, "
        "grad_norm=0.005, lr=1.04e-5, step_loss=0.434]\r"
        "Epoch 39/65, Steps:  60%|██████    | 6000/10000 [18:54<09:16,  7.19it/s, "
        "grad_norm=0.00372, lr=9.89e-6, step_loss=0.777]"
    )
    diagnosis = diagnose(log + "\nPrediction timed out.")
    assert diagnosis.title == "stopped at the time limit at step 6000"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Non-finite training loss detected (loss=nan, filepaths=['/cats/a b.png', '/c.jpg'], x={}).",
         ["is not a number in the step after 102 of 1,000", "The batch held /cats/a b.png, /c.jpg."]),
        ("Non-finite training loss detected at step 103 (a.png)",
         ["at step 103", "The batch held a.png"]),
        ("Non-finite training loss detected (loss=inf, filepaths=None, loss_logs={}).",
         ["is infinite in the step after 102", "ended the run."]),
    ],
)  # fmt: skip
def test_a_loss_that_is_not_a_number_names_step_and_sample(line: str, words: list[str]) -> None:
    bar = "Epoch 1/5, Steps:  10%|█         | 102/1000 [00:06<05:00,  3.0s/it, step_loss=0.4]\n"
    found = diagnose(
        f'{bar}Traceback (most recent call last):\n  File "/src/t.py", line 1\nValueError: {line}'
    )
    assert found.rule == "loss-not-finite"
    for word in words:
        assert word in found.what
    assert "None" not in found.what


@pytest.mark.parametrize(
    ("log", "error", "rule"),
    [
        # A validation that failed and was survived is not the cause of a later failure.
        (
            ("[RANK 0] 2026-06-17 10:37:39,348 [ERROR] Validation run failed at step 100: CUDA out "
            "of memory\nTraceback (most recent call last):\n  File \"/src/v.py\", line 1\n"
            "torch.OutOfMemoryError: CUDA out of memory\n"
            "Epoch 1/5, Steps:  10%|█         | 101/1000 [00:06<05:00,  3.0s/it]\n"
            "Epoch 1/5, Steps:  10%|█         | 102/1000 [00:06<05:00,  3.0s/it]\n"
            "Epoch 1/5, Steps:  10%|█         | 103/1000 [00:06<05:00,  3.0s/it]\n"
            "Traceback (most recent call last):\n  File \"/src/t.py\", line 1\n"
            "ValueError: Non-finite training loss detected at step 103\n"),
            None,
            "loss-not-finite",
        ),
        # A download that was tried again is not, either.
        (
            ("[WARN] ReadTimeout: retrying\nrequests.exceptions.ReadTimeout: x\n"
            "[STAGE] ✓ Loading base model (100.0%): Base model has loaded.\n"
            "Traceback (most recent call last):\n  File \"/src/t.py\", line 1\n"
            "ValueError: Each dataset needs a unique 'id'\n"),
            "Failed to run training: Each dataset needs a unique 'id'",
            "dataset-ids",
        ),
        # A more specific exception outside wins over a bare status inside.
        (
            ("Traceback (most recent call last):\n  File \"/x.py\", line 1\n"
            "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://h/x\n\n"
            "The above exception was the direct cause of the following exception:\n\n"
            "Traceback (most recent call last):\n  File \"/x.py\", line 2\n"
            "huggingface_hub.errors.GatedRepoError: 401 Client Error.\n"),
            None,
            "gated-model",
        ),
        # The innermost of a chain counts.
        (
            ("Traceback (most recent call last):\n  File \"/x.py\", line 1\n"
            "OSError: [Errno 28] No space left on device\n\n"
            "During handling of the above exception, another exception occurred:\n\n"
            "Traceback (most recent call last):\n  File \"/x.py\", line 2\n"
            "OSError: Can't load tokenizer for 'a/b'\n"),
            None,
            "disk-full",
        ),
    ],
)  # fmt: skip
def test_the_cause_among_several_errors(log: str, error: str | None, rule: str) -> None:
    assert diagnose(log, error).rule == rule


def test_an_error_that_training_went_on_after_is_not_the_cause() -> None:
    bar = "Epoch 1/5, Steps:  10%|█         | {0}/1000 [00:06<05:00,  3.0s/it]\n"
    log = "[ERROR] CUDA out of memory while drawing a sample\n" + "".join(
        bar.format(step) for step in (101, 102, 103)
    )
    log += "Traceback (most recent call last):\n  File \"/x.py\", line 1\nKeyError: 'odd'\n"
    assert diagnose(log).rule == "unknown"
    assert diagnose(log.partition("Epoch")[0] + bar.format(101)).rule == "out-of-memory"


def test_an_unknown_failure_shows_the_lines_that_mean_something() -> None:
    log = (
        "Traceback (most recent call last):\n  File \"/x.py\", line 1\n"
        "ZeroDivisionError: division by zero\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n  File \"/x.py\", line 2\n"
        "RuntimeError: the loop ended\n"
        "[COG] Webhook receiver stopped\n"
        "RuntimeError: Accelerate launch exited with status 1\n"
    )  # fmt: skip
    diagnosis = diagnose(log)
    assert diagnosis.rule == "unknown"
    assert [line.text for line in diagnosis.evidence] == [
        "ZeroDivisionError: division by zero", "RuntimeError: the loop ended",
    ]  # fmt: skip

"""Failures of memory, precision, hardware, and of several GPUs."""

from __future__ import annotations

from typing import Final

from tui.simpletuner.config.values import OptionValue
from tui.simpletuner.failures.rule import Advice, DiagnosisKind, Failure, Rule, Tier, effective

K = DiagnosisKind


def _as_lora(failure: Failure) -> dict[str, OptionValue]:
    """A LoRA instead of a full model; nothing where the config says nothing."""
    full = str(failure.config.get("model_type", "")).lower() == "full"
    return {"model_type": "lora"} if full else {}


def _quantised(failure: Failure) -> dict[str, OptionValue]:
    """A quantised base model, which a full training cannot have."""
    lora = str(failure.config.get("model_type", "lora")).lower() == "lora"
    plain = str(effective(failure.config, "base_model_precision")).lower() == "no_change"
    return {"base_model_precision": "int8-quanto"} if lora and plain else {}


def _fewer_checkpoints(failure: Failure) -> dict[str, OptionValue]:
    kept = str(effective(failure.config, "checkpoints_total_limit"))
    return {} if kept == "1" else {"checkpoints_total_limit": 1}


def _slower(failure: Failure) -> dict[str, OptionValue]:
    """Half the learning rate; nothing where the config has none."""
    try:
        rate = float(failure.config.get("learning_rate", 0))
    except (TypeError, ValueError):
        return {}
    return {"learning_rate": float(f"{rate / 2:.6g}")} if 0 < rate < 1 else {}


def _all_gpus(failure: Failure) -> dict[str, OptionValue]:
    """As many processes as the hardware has GPUs."""
    return {"num_processes": failure.gpus or 1}


_OOM_ADVICE: Final = (
    Advice("Train a LoRA instead of the full model: it needs a fraction of the memory.", _as_lora),
    Advice("Train with a batch of one.", {"train_batch_size": 1}),
    Advice("Turn gradient checkpointing on: slower, but much less memory.",
           {"gradient_checkpointing": True}),
    Advice("Quantise the base model to 8 bits.", _quantised),
    "Train at a lower resolution.",
    "Choose hardware with more memory.",
)  # fmt: skip

MACHINE_RULES: Final = (
    Rule(
        "cache-out-of-memory",
        K.OUT_OF_MEMORY,
        "out of memory while caching",
        "The GPU ran out of memory while images were encoded for the cache.",
        (r"Error encoding images.*out of memory",),
        (
            Advice("Encode one image at a time.", {"vae_batch_size": 1}),
            Advice("Encode large images in tiles.", {"vae_enable_tiling": True}),
            "Train at a lower resolution.",
        ),
        lasting=True,
    ),
    Rule(
        "gpu-allocation",
        K.OUT_OF_MEMORY,
        "out of memory",
        "The GPU ran out of memory inside one of its libraries.",
        (r"CUBLAS_STATUS_ALLOC_FAILED", r"CUDNN_STATUS_ALLOC", r"cudaErrorMemoryAllocation"),
        _OOM_ADVICE,
    ),
    Rule(
        "out-of-memory",
        K.OUT_OF_MEMORY,
        "out of memory",
        "The GPU ran out of memory.",
        (
            r"\b(?:torch\.)?(?:cuda\.)?OutOfMemoryError",
            r"(?:CUDA|HIP) out of memory",
            r"CUDA error: out of memory",
            r"\(E1001\)",
        ),
        _OOM_ADVICE,
        error_patterns=(r"(?i:\bout of memory\b)", r"\bOOM\b"),
    ),
    Rule(
        "disk-full",
        K.DISK_FULL,
        "disk full",
        "The trainer's disk was full: caches and checkpoints share it.",
        (
            r"No space left on device",
            r"Disk space (?:critically|still) low",
            r"\[Errno 28\]",
            r"Disk quota exceeded",
        ),
        (
            Advice("Keep only the newest checkpoint.", _fewer_checkpoints),
            "Train on fewer or smaller images: caches of images and texts take room as well.",
            "Use a Hub repository that holds only this dataset.",
        ),
    ),
    Rule(
        "loss-not-finite",
        K.DIVERGED,
        "the training diverged",
        "The loss became infinite or not a number.",
        (r"Non-finite training loss detected", r"\bloss(?:=|: ?)nan\b"),
        (
            Advice("Halve the learning rate.", _slower),
            Advice("Train in bf16.", {"mixed_precision": "bf16"}),
            "Look at the sample where the log names one; leave it out if it is damaged.",
            "Seeds differ from run to run, so the same run may also pass.",
        ),
        again="maybe",
    ),
    Rule(
        "optimizer-needs-bf16",
        K.BAD_SETTING,
        "the optimizer needs bf16",
        "The optimizer works with bf16 only, and the model is in another precision.",
        (r"Model is not using bf16 precision, but the optimizer",),
        (Advice("Train in bf16.", {"mixed_precision": "bf16"}), "Or take another optimizer."),
    ),
    Rule(
        "fp8-unsupported",
        K.BAD_SETTING,
        "precision not there for this model",
        "This model family cannot be quantised to fp8-quanto.",
        (r"does not support fp8-quanto",),
        (
            Advice(
                "Quantise the base model to 8-bit integers.",
                {"base_model_precision": "int8-quanto"},
            ),
        ),
    ),
    Rule(
        "two-quantisers",
        K.BAD_SETTING,
        "two ways of quantising",
        "The config quantises with Quanto and with TorchAO, and only one can be used.",
        (r"Cannot enable Quanto and TorchAO together",),
        (
            Advice("Quantise the base model with Quanto.", {"base_model_precision": "int8-quanto"}),
            "Set the text encoders' precision to the same kind, or to no_change.",
        ),
    ),
    Rule(
        "full-and-quantised",
        K.BAD_SETTING,
        "a full model cannot be quantised",
        "All of a quantised base model cannot be trained.",
        (r"tuning is not compatible with (?:quanti[sz]ation|pipeline)",),
        (
            Advice("Train with the base model as it is.", {"base_model_precision": "no_change"}),
            "Or train a LoRA.",
        ),
    ),
    Rule(
        "precision-mismatch",
        K.BAD_SETTING,
        "precisions do not fit",
        "Parts of the model are in different precisions.",
        (
            r"expected scalar type",
            r"mat1 and mat2 must have the same dtype",
            r"Input type .* and (?:bias|weight) type",
        ),
        (
            Advice("Train in bf16.", {"mixed_precision": "bf16"}),
            Advice("Train with the base model as it is.", {"base_model_precision": "no_change"}),
            Advice("Use the plain attention.", {"attention_mechanism": "diffusers"}),
        ),
    ),
    Rule(
        "attention-unfit",
        K.BAD_SETTING,
        "attention does not fit the GPU",
        "The attention or a library was built for another kind of GPU.",
        (
            r"no kernel image is available",
            r"\bsm_\d+ is not compatible",
            r"FlashAttention only supports",
        ),
        (
            Advice("Use the plain attention.", {"attention_mechanism": "diffusers"}),
            "Or choose other hardware.",
        ),
    ),
    Rule(
        "attention-missing",
        K.BAD_SETTING,
        "attention not there",
        "The container lacks the attention that the config asks for.",
        (
            r"is not installed but --attention_mechanism",
            r"kohaku-fa (?:requires|supports|does not)",
            r"KohakuFA requires",
        ),
        (Advice("Use the plain attention.", {"attention_mechanism": "diffusers"}),),
    ),
    Rule(
        "compilation",
        K.BAD_SETTING,
        "the model could not be compiled",
        "Compiling the model failed.",
        (
            r"torch\._dynamo\b",
            r"BackendCompilerFailed",
            r"InductorError",
            r"Unsupported Torch Dynamo backend",
        ),
        (Advice("Train without compilation.", {"dynamo_backend": "no"}),),
    ),
    Rule(
        "lora-with-deepspeed",
        K.BAD_SETTING,
        "LoRA with DeepSpeed",
        "A LoRA cannot be trained with DeepSpeed.",
        (r"LoRA can not be trained with DeepSpeed",),
        ("Remove the DeepSpeed settings from the config.",),
    ),
    Rule(
        "unused-parameters",
        K.BAD_SETTING,
        "a trained part was not used",
        "On several GPUs every trained part has to take part in every step.",
        (r"Expected to have finished reduction in the prior iteration",),
        (
            Advice("Let the trainer look for unused parts.", {"find_unused_parameters": True}),
            "Or train on one GPU.",
        ),
    ),
    Rule(
        "too-many-processes",
        K.BAD_SETTING,
        "more processes than GPUs",
        "The config starts more processes than the hardware has GPUs.",
        (r"CUDA error: invalid device ordinal",),
        (Advice("Start one process for each GPU.", _all_gpus),),
    ),
    Rule(
        "gpu-fault",
        K.WORKER_LOST,
        "the GPU has a fault",
        "The machine's GPU failed. This is no fault of the job.",
        (
            r"GPU circuit breaker OPEN",
            r"GPUHealthError",
            r"uncorrectable ECC",
            r"\bXid\b",
            r"fallen off the bus",
            r"GPU fault",
        ),
        ("Run it again: it gets another machine.",),
        again="yes",
    ),
    Rule(
        "gpu-kernel",
        K.WORKER_LOST,
        "a GPU program failed",
        "A program on the GPU ended in a fault.",
        (
            (
                r"CUDA error: (?:an illegal memory access|device-side assert|unspecified launch "
                r"failure|misaligned)"
            ),
        ),
        (
            "Run it again once: often it is the machine.",
            Advice("If it repeats, use the plain attention.", {"attention_mechanism": "diffusers"}),
            Advice("Or train without compilation.", {"dynamo_backend": "no"}),
        ),
        again="maybe",
    ),
    Rule(
        "fp8-changed",
        K.BAD_SETTING,
        "precision was changed",
        "On several GPUs the trainer replaces fp8-quanto by int8 and goes on.",
        (r"is incompatible with multi-GPU training on PEFT LoRA",),
        (Advice("Ask for int8-quanto at once.", {"base_model_precision": "int8-quanto"}),),
        again="maybe",
        tier=Tier.NOTICE,
    ),
    Rule(
        "killed",
        K.WORKER_LOST,
        "a process was killed",
        "The system killed a process: main memory was full, or the container was stopped.",
        (
            r"\bKilled$",
            r"\bSIGKILL\b",
            r"exit ?code *: *-9\b",
            r"exit status 137",
            r"DataLoader worker .* (?:killed|exited)",
        ),
        (
            "Run it again: a stopped container is bad luck.",
            (
                "If it repeats at the same place, main memory is too small: use fewer or smaller "
                "images, fewer processes, or larger hardware."
            ),
        ),
        again="maybe",
        tier=Tier.CONSEQUENCE,
    ),
    Rule(
        "gpus-waited",
        K.WORKER_LOST,
        "the GPUs waited for each other",
        "One process waited too long for another: it was uploading, caching or validating, or had "
        "ended already.",
        (r"Watchdog caught collective operation timeout", r"NCCL.*(?:timeout|timed out)"),
        (
            Advice("Upload in the background.", {"push_to_hub_background": True}),
            "Use fewer GPUs.",
            "Look for an earlier error of another process; without one the same run may pass.",
        ),
        again="maybe",
        tier=Tier.CONSEQUENCE,
    ),
    Rule(
        "gpu-link",
        K.WORKER_LOST,
        "the link between GPUs failed",
        "The GPUs of the machine lost contact with each other.",
        (r"NCCL (?:error|WARN)", r"ncclSystemError", r"ncclUnhandledCudaError"),
        ("Run it again: it gets another machine.",),
        again="yes",
        tier=Tier.CONSEQUENCE,
    ),
    Rule(
        "process-ended",
        K.WORKER_LOST,
        "a process ended without a reason",
        "A training process ended, and the log does not say why.",
        (
            r"ChildFailedError",
            r"torch\.distributed\.elastic",
            r"failed \(exitcode: -?\d+\)",
            r"Accelerate launch exited with status",
            r"exit ?code:? -(?:7|11)\b",
        ),
        (
            "Look for the earliest error in the log.",
            "If there is none, it may be the machine: run it again once.",
        ),
        again="maybe",
        tier=Tier.WRAPPER,
    ),
)

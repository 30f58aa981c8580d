"""Logs of failed runs as the trainer's container prints them, made from one cause each.

A log begins with the lines of a start, goes on with bars that are redrawn with carriage returns,
and ends with the cause in the form that it has in a real log: a chained traceback of one or of
several processes, an argument parser's refusal after its usage text, a line of the logger, or the
prediction's error text alone; then come the lines that wrap it and the tail of debug.log.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.simpletuner.log import samples

BOOT = [
    "[COG] Webhook receiver started on http://127.0.0.1:41873/webhook",
    "[INFO] Training Config: Training configuration initialized",
    "/usr/lib/python3.12/warnings.py:110: FutureWarning: rate limits of `torch.load` will change",
    "[STAGE] ⏳ Loading base model: Loading model: `black-forest-labs/FLUX.1-dev`...",
    "Fetching 28 files:  39%|███▉      | 11/28 [00:10<00:16,  1.02it/s]",
    "[WARN] Failed to pin EMA to CPU: Failed to pin EMA to CPU: some reason",
    "[RANK 0] 2026-10-22 10:15:02,114 [WARNING] Falconsai/nsfw_image_detection was loaded",
    "[RANK 0] 2026-10-22 10:15:02,120 [WARNING] ReadTimeout: retrying in 1 second",
    "[STAGE] ✓ Loading base model (100.0%): Base model has loaded.",
    "[STAGE] ⏳ Configuring data backends: Configuring data backends... (this may take a while!)",
]
TRAINING = [
    "[STAGE] ✓ Configuring data backends (100.0%): Completed configuring data backends.",
    "[STAGE] ✓ Resume Checkpoint: No model to resume. Beginning fresh training run.",
    "***** Running training *****",
    "-  Num Epochs = 5",
    "-  Total optimization steps = 100",
]
USAGE = """\
usage: train.py [-h] [--snr_gamma SNR_GAMMA] [--model_family {flux,sdxl}]
                [--attention_mechanism {diffusers,sageattention,kohaku-fa-auto}]
                [--dynamo_backend {no,inductor}] [--push_to_hub [PUSH_TO_HUB]]
                [--report_to REPORT_TO] [--resume_from_checkpoint PATH]
                [--hub_model_id HUB_MODEL_ID] [--trust_remote_code]"""
ELASTIC = """\
W1022 15:03:05 torch/distributed/elastic/multiprocessing/api.py:897] Sending process 1201 closing signal SIGTERM
E1022 15:03:06 torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: 1) local_rank: 3 (pid: 1204) of binary: /usr/bin/python
Traceback (most recent call last):
  File "/usr/local/bin/accelerate", line 8, in <module>
    sys.exit(main())
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
Root Cause (first observed failure):
[0]:
  time      : 2026-10-22_15:03:05
  rank      : 3 (local_rank: 3)
  exitcode  : 1 (pid: 1204)
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html"""  # noqa: E501


@dataclass(frozen=True)
class Case:
    """A cause and the form in which a log shows it.

    Attributes:
        rule: the id of the rule that must be found.
        cause: the text; the first line is the exception where there is one.
        form: `raised`, `parser`, `logged`, `printed` or `error`.
        trains: whether training steps stand before it.
    """

    rule: str
    cause: str
    form: str = "raised"
    trains: bool = False


def frames(cause: str, *, module: str = "training/trainer.py") -> list[str]:
    """A traceback that ends in a cause."""
    return [
        "Traceback (most recent call last):",
        f'  File "/src/simpletuner/helpers/{module}", line 1389, in run',
        "    self.configure()",
        "    ~~~~~~~~~~~~~~^^",
        *cause.splitlines(),
    ]


def bars(steps: int, total: int = 100) -> str:
    """Redrawn training bars."""
    drawn = [samples.training_bar(step, total, 5, "0.31") for step in range(1, steps + 1)]
    return "\r" + "\r".join(bar for bar in drawn for _ in range(2))


def one_process(case: Case) -> tuple[str, str]:
    """The log of a run on one GPU, and the prediction's error text."""
    first = case.cause.splitlines()[0]
    message = first.partition(": ")[2] or first
    lines = [*BOOT, *(TRAINING if case.trains else ())]
    text = "\n".join(lines) + "\n" + (bars(12) if case.trains else "")
    end: list[str] = []
    error = f"Failed to run training: {message}"
    if case.form == "parser":
        end = [USAGE, f"train.py: error: {case.cause}"]
        end += frames("SystemExit: 2", module="configuration/cmd_args.py")
        end += ["During handling of the above exception, another exception occurred:", ""]
        end += frames("ValueError: Training configuration could not be parsed")
        end += ["[ERROR] Fatal Error: Failed to run training: JSON configuration file not found"]
        error = "Failed to run training: JSON configuration file not found: config/config.json"
    elif case.form == "raised":
        end = frames(case.cause, module="data_backend/factory.py")
        end += ["", "The above exception was the direct cause of the following exception:", ""]
        end += frames("RuntimeError: Failed to run the job", module="cog.py")
        end += [f"[ERROR] Fatal Error: Failed to run training: {message}"]
        end += ["[STAGE] ✗ Training Aborted: Training was stopped"]
    elif case.form == "logged":
        end = [f"[RANK 0] 2026-10-22 10:15:02,294 [ERROR] {case.cause}"]
        end += ["Accelerate launch exited with status 1"]
        error = "Training job failed to start: Accelerate launch exited with status 1"
    elif case.form == "printed":
        end = [case.cause]
        error = ""
    else:
        error = case.cause
    tail = [
        "=== debug.log tail ===",
        f"{samples.DEBUG_LINE}Epoch 1/5, Steps:   1%|          | 1/100 [00:03<05:41,  3.45s/it]",
        f"{samples.DEBUG_LINE}Config: report_to=wandb dynamo_backend=no optimizer=adamw_bf16",
        *end[-4:],
        "[COG] Webhook receiver stopped",
    ]
    return text + "\n" + "\n".join([*end, *tail]) + "\n", error


def four_processes(case: Case) -> tuple[str, str]:
    """The log of a run on four GPUs, whose lines carry ranks and whose end is a wrapper."""
    lines = [*BOOT, *TRAINING]
    text = "\n".join(lines) + "\n" + bars(12) + "\n"
    raised = [f"[rank3]: {line}" for line in frames(case.cause)]
    other = [f"[rank1]: {line}" for line in frames("RuntimeError: NCCL communicator was aborted")]
    mixed = [line for pair in zip(raised, other, strict=False) for line in pair]
    mixed += raised[len(other) :] + other[len(raised) :]
    return text + "\n".join([*mixed, ELASTIC, "[COG] Webhook receiver stopped"]) + "\n", (
        "Training job failed to start: Accelerate launch exited with status 1"
    )


def _of(rule: str, *causes: str, form: str = "raised", trains: bool = False) -> list[Case]:
    return [Case(rule, cause, form, trains) for cause in causes]


CASES: list[Case] = [
    *_of("input-not-json", "ValueError: dataloader_json looks like JSON but failed to parse: x"),
    *_of("input-file-missing", "FileNotFoundError: lycoris_config file not found: lyco.json",
         "FileNotFoundError: config_json file not found: a.json"),
    *_of("hub-token-missing", "ValueError: hf_token is required when using hub_model_id"),
    *_of("no-data", "ValueError: Either dataset_archive or dataloader config must be provided"),
    *_of("archive-refused", "ValueError: Unsafe zip path detected: cats/1.png",
         "ValueError: Unsafe tar path detected: cats/1.png"),
    *_of("archive-unreadable", "ValueError: Unsupported dataset archive format: a.rar"),
    *_of("config-not-object", "ValueError: Config at config/config.json must be a JSON object",
         "ValueError: No training config found"),
    *_of("unknown-option", "unrecognized arguments: --train_batch 2", form="parser"),
    *_of("value-not-allowed",
         "argument --optimizer: invalid choice: 'adam9' (choose from 'sgd', 'sentencepiece')",
         form="parser"),
    *_of("optimizer-unknown", "ValueError: Optimizer adam9 not found."),
    *_of("value-of-wrong-type", "argument --lora_rank: invalid int value: 'x'",
         "argument --seed: expected one argument",
         "argument --use_ema: Expected a boolean value", form="parser"),
    *_of("option-missing", "the following arguments are required: --model_type", form="parser"),
    *_of("epochs-not-zero",
         "ValueError: When using --max_train_steps, you must set --num_train_epochs to 0."),
    *_of("no-length",
         "ValueError: You must specify either --max_train_steps or --num_train_epochs"),
    *_of("config-not-parsed", "Training configuration could not be parsed", form="logged"),
    *_of("config-file-fallback", "JSON configuration file not found: config/config.json",
         form="logged"),
    *_of("flavour-unknown", "ValueError: Model flavour devv not found in flux",
         "ValueError: kandinsky requires a model_flavour"),
    *_of("family-unknown", "ValueError: Invalid model family specified: cosmos2"),
    *_of("schnell-schedule", "ValueError: Schnell requires --flux_fast_schedule"),
    *_of("lycoris-missing", "ValueError: lora_type=lycoris requires a lycoris_config",
         "ValueError: Could not find lycoris config at config/lycoris_config.json",
         "TypeError: expected str, bytes or os.PathLike object, not NoneType"),
    *_of("lycoris-incomplete", "ValueError: lycoris_config JSON must contain algo"),
    *_of("prompt-library-missing",
         "FileNotFoundError: User prompt library not found at /a/p.json",
         "FileNotFoundError: [Errno 2] No such file or directory: '/home/me/cats'",
         "FileNotFoundError: [Errno 2] No such file or directory: 'C:\\\\pics'"),
    *_of("tracker-unusable", "ImportError: Make sure to install wandb if you want to use it",
         "wandb.errors.UsageError: api_key not configured (no-tty). call wandb.login(key=...)"),
    *_of("tracker-refused", "RuntimeError: Could not initialize trackers"),
    *_of("hub-token-not-found", "ValueError: No Hugging Face Hub token found"),
    *_of("gated-model",
         "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: Root=1-6)\n"
         "Cannot access gated repo for url https://huggingface.co/a/b/resolve/main/x.json.\n"
         "Access to model a/b is restricted. You must have access to it and be logged in.",
         "OSError: You are trying to access a gated repo.\n"
         "Your request to access model a/b is awaiting a review from the repo authors."),
    *_of("hub-token-refused", "ValueError: Failed to log into Hugging Face Hub: no",
         "ValueError: Invalid user token."),
    *_of("hub-unauthorized",
         "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://h/x"),
    *_of("hub-namespace",
         "huggingface_hub.errors.HfHubHTTPError: 403 Client Error: Forbidden for url: "
         "https://huggingface.co/api/repos/create (Request ID: Root=1-6)",
         "huggingface_hub.errors.HfHubHTTPError: (Request ID: 1)\n\n"
         "403 Forbidden: You don't have the rights to create a model under the namespace x."),
    *_of("hub-name-invalid",
         "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name'"),
    *_of("hub-repository-missing",
         "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: 1)\n\n"
         "Repository Not Found for url: https://huggingface.co/api/models/a/b.",
         "requests.exceptions.HTTPError: 404 Client Error: Not Found for url: "
         "https://huggingface.co/a/b/resolve/main/x"),
    *_of("hub-dataset-unreachable",
         "datasets.exceptions.DatasetNotFoundError: Dataset 'a/b' doesn't exist on the Hub or "
         "cannot be accessed."),
    *_of("dataset-empty",
         "datasets.data_files.EmptyDatasetError: The directory at hf://datasets/a/b doesn't "
         "contain any data files"),
    *_of("dataset-split",
         "ValueError: Unknown split \"trian\". Should be one of ['train', 'test']."),
    *_of("dataset-config", "ValueError: Config name is missing.",
         "ValueError: BuilderConfig 'x' not found. Available: ['a', 'b']"),
    *_of("dataset-card", "ValueError: Expected data_files in YAML to be either a string"),
    *_of("dataset-instruction",
         'ValueError: Instruction "train" corresponds to no data!'),
    *_of("hub-throttled",
         "requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: x"),
    *_of("network",
         "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='h'): Read timed out.",
         "requests.exceptions.ConnectionError: Temporary failure in name resolution",
         "requests.exceptions.HTTPError: 503 Server Error: Unavailable for url: x"),
    *_of("download-damaged", "OSError: Consistency check failed: file should be of size 4",
         "safetensors_rust.SafetensorError: Error while deserializing: MetadataIncompleteBuffer"),
    *_of("base-model-layout",
         "OSError: a/b does not appear to have a file named transformer/config.json",
         "OSError: Error no file named model_index.json found in directory a/b"),
    *_of("tokenizer", "OSError: Can't load tokenizer for 'a/b'.",
         "ValueError: Couldn't instantiate the backend tokenizer from one of: x"),
    *_of("remote-code",
         "ValueError: Loading a/b requires you to execute code. Set the option "
         "`trust_remote_code=True` to remove this error."),
    *_of("dataset-folder-missing",
         "ValueError: The following dataset directories do not exist: /data/cats"),
    *_of("too-few-for-a-batch",
         "ValueError: Dataset configuration will produce zero usable batches.\n"
         "  Aspect bucket: 1.0\n  Number of GPUs: 2\n  Minimum repeats required: 4"),
    *_of("no-usable-samples",
         "ValueError: (id=cats) Dataset produced no usable samples. This happens when:\n"
         "  - batch_size * num_gpus is too large\n  - repeats is too low"),
    *_of("no-images-discovered",
         "Exception: No images were discovered by the bucket manager in the dataset: cats."),
    *_of("no-active-datasets", "ValueError: No datasets are active at the start of training."),
    *_of("rank-without-samples",
         "ValueError: epoch rollover re-split left this rank with zero samples", trains=True),
    *_of("conditioning-too-small",
         "ValueError: dataset refs has a single bucket with fewer than 4 images"),
    *_of("hub-caption-strategy",
         "ValueError: caption_strategy must be set to 'huggingface' for this backend",
         "ValueError: hf datasets should use caption_strategy='huggingface'"),
    *_of("caption-strategy-unknown",
         "ValueError: Unsupported caption strategy: instance_prompt. Supported: 'filename'"),
    *_of("caption-file-missing", "FileNotFoundError: Caption file cats/1.txt not found"),
    *_of("hub-caption-missing",
         "ValueError: Could not find caption for 7 in HuggingFace dataset"),
    *_of("instance-prompt-missing", "ValueError: no instance_prompt was provided",
         "ValueError: instanceprompt requires a non-empty prompt"),
    *_of("caption-missing", "CaptionNotFoundError: Could not locate caption for x.png"),
    *_of("cmyk-image", "OSError: cannot write mode CMYK as PNG"),
    *_of("image-damaged", "PIL.UnidentifiedImageError: cannot identify image file 'a.png'",
         "OSError: image file is truncated (4 bytes not processed)"),
    *_of("metadata-file-name",
         "ValueError: `file_name` or `*_file_name` must be present as dictionary key",
         "FileNotFoundError: [Errno 2] No such file: '/src/.cache/hub/snapshots/1/a.png'"),
    *_of("dataset-ids", "ValueError: Each dataset needs a unique 'id' field."),
    *_of("backend-type-unknown", "ValueError: Unknown data backend type: loc",
         "ValueError: dataset_type must be one of image, video"),
    *_of("target-size-missing",
         "ValueError: you must also provide a value for `target_downsample_size`"),
    *_of("conditioning-missing",
         "ValueError: Model requires a conditioning dataset, but none was found."),
    *_of("backend-link", "ValueError: Conditioning data backend refs not found",
         "ValueError: Text embed backend x not found in the backends"),
    *_of("storage-access-denied",
         "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the "
         "PutObject operation: Access Denied",
         "botocore.exceptions.ClientError: An error occurred (403) when calling the HeadObject "
         "operation: Forbidden"),
    *_of("storage-keys",
         "botocore.errorfactory.NoSuchBucket: An error occurred (NoSuchBucket) when calling the "
         "ListObjectsV2 operation: no",
         "botocore.exceptions.ClientError: An error occurred (SignatureDoesNotMatch): x"),
    *_of("endpoint-unreachable",
         "botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: x"),
    *_of("vae-cache-image",
         "ValueError: sample a.png not correctly cached during the VAE Cache operations"),
    *_of("nsfw-rejected",
         "Rejected NSFW sample during VAE cache preprocessing: cats/1.png", form="logged"),
    *_of("shapes-differ",
         "RuntimeError: The size of tensor a (4) must match the size of tensor b (16) at "
         "non-singleton dimension 1",
         "RuntimeError: stack expects each tensor: 3 unique shapes",
         "RuntimeError: Sizes of tensors must match except in dimension 1.", trains=True),
    *_of("cache-out-of-memory",
         "Error encoding images: CUDA out of memory. Tried to allocate 3.00 GiB", form="logged"),
    *_of("out-of-memory",
         "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB.",
         "RuntimeError: CUDA error: out of memory", trains=True),
    *_of("gpu-allocation",
         "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    *_of("killed", "Signal 9 (SIGKILL) received by PID 1204", "exitcode  : -9 (pid: 1204)",
         "Killed", form="printed"),
    *_of("disk-full", "OSError: [Errno 28] No space left on device: 'output/x'",
         "RuntimeError: Disk space critically low: 1 GB left", trains=True),
    *_of("loss-not-finite", "ValueError: Non-finite training loss detected at step 12 (a.png)",
         trains=True),
    *_of("optimizer-needs-bf16",
         "ValueError: Model is not using bf16 precision, but the optimizer requires it."),
    *_of("fp8-unsupported", "ValueError: sdxl does not support fp8-quanto"),
    *_of("two-quantisers", "ValueError: Cannot enable Quanto and TorchAO together."),
    *_of("full-and-quantised", "ValueError: Full tuning is not compatible with quantisation."),
    *_of("precision-mismatch", "RuntimeError: expected scalar type BFloat16 but found Float",
         "RuntimeError: mat1 and mat2 must have the same dtype", trains=True),
    *_of("attention-unfit",
         "RuntimeError: CUDA error: no kernel image is available for execution on the device",
         "RuntimeError: FlashAttention only supports Ampere GPUs or newer."),
    *_of("gpu-kernel", "RuntimeError: CUDA error: an illegal memory access was encountered",
         "RuntimeError: CUDA error: device-side assert triggered", trains=True),
    *_of("gpu-fault", "GPUHealthError: GPU circuit breaker OPEN: uncorrectable ECC errors",
         trains=True),
    *_of("compilation", "torch._dynamo.exc.BackendCompilerFailed: backend='inductor' raised",
         "ValueError: Unsupported Torch Dynamo backend: indoctor"),
    *_of("attention-missing",
         "ValueError: sageattention is not installed but --attention_mechanism asks for it",
         "ValueError: kohaku-fa requires an Ampere GPU"),
    *_of("process-ended", "RuntimeError: Accelerate launch exited with status 1",
         "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: x", form="printed"),
    *_of("gpus-waited",
         "[rank1]: Watchdog caught collective operation timeout: WorkNCCL(OpType=ALLREDUCE)",
         form="printed"),
    *_of("gpu-link", "torch.distributed.DistBackendError: NCCL error in: x.cpp, ncclSystemError"),
    *_of("unused-parameters",
         "RuntimeError: Expected to have finished reduction in the prior iteration before"),
    *_of("lora-with-deepspeed", "ValueError: LoRA can not be trained with DeepSpeed."),
    *_of("fp8-changed", "fp8-quanto is incompatible with multi-GPU training on PEFT LoRA",
         form="logged"),
    *_of("too-many-processes", "RuntimeError: CUDA error: invalid device ordinal"),
    *_of("checkpoint-manifest", "ValueError: Remote checkpoint manifest not found: s3://b/x"),
    *_of("resume-address", "ValueError: resume_from_checkpoint requires a publishing config"),
    *_of("checkpoint-model", "ValueError: Checkpoint model_family mismatch: flux, sdxl"),
    *_of("checkpoint-incomplete", "ValueError: Downloaded checkpoint is invalid: no weights"),
    *_of("resume-bucket",
         "ValueError: Resume checkpoint bucket 'a' does not match the publishing bucket 'b'"),
    *_of("checkpoint-shape",
         "RuntimeError: Error(s) in loading state_dict for Flux: size mismatch for x",
         "ValueError: loaded state dict contains a parameter group that doesn't match the size of "
         "optimizer's group"),
    *_of("init-lora", "ValueError: init_lora path a/b does not exist",
         "ValueError: init_lora_step is greater than or equal to max_train_steps"),
    *_of("adapter-of-another-model",
         "ValueError: LoRA checkpoint loading rejected every denoiser tensor"),
    *_of("validation-failed", "Validation run failed at step 100: CUDA out of memory",
         form="logged", trains=True),
    *_of("validation-picture-failed",
         "Error generating validation image: CUDA out of memory. Tried to allocate 2 GiB",
         form="logged", trains=True),
    *_of("validation-pipeline",
         "Not able to run validations, we did not obtain a valid pipeline.", form="logged"),
    *_of("validation-embeds", "ValueError: Could not generate validation prompts"),
    *_of("validation-deepspeed", "Cannot run validations with DeepSpeed ZeRO stage 3",
         form="logged"),
    *_of("validation-ideogram", "Skipping Ideogram validation", form="logged"),
    *_of("final-save", "AttributeError: 'NoneType' object has no attribute 'peft_config'",
         "ValueError: Final LoRA save kwargs were not materialized", trains=True),
    *_of("lycoris-no-modules", "ValueError: create LyCORIS: 0 modules"),
    *_of("publishing-not-started", "Failed to initialise publishing providers: no bucket",
         form="logged"),
    *_of("publishing-failed", "Publishing via s3 failed: connection refused", form="logged"),
    *_of("nothing-to-publish", "No files found to publish under output/x", form="logged"),
    *_of("hub-upload-retried",
         "(attempt 1/3) Error uploading model to Hugging Face Hub: 500 Server Error. Retrying...",
         form="logged", trains=True),
    *_of("hub-upload-failed", "Failed to upload LoRA artifacts to hub: 403",
         "Hugging Face upload task 3 failed", form="logged", trains=True),
    *_of("image-left-out",
         "Could not load caption for image a.png: Could not find caption for 7 in HuggingFace "
         "dataset", form="logged"),
    *_of("storage-full",
         "huggingface_hub.errors.HfHubHTTPError: 402 Client Error: storage quota exceeded"),
    *_of("required-artifact",
         "RuntimeError: Required final artifact publishing did not succeed", trains=True),
    *_of("upload-refused",
         "botocore.exceptions.ClientError: An error occurred (500) when calling the UploadPart "
         "operation: x", trains=True),
    *_of("file-missing",
         "FileNotFoundError: [Errno 2] No such file or directory: 'cache/vae/36.pt'"),
    *_of("interrupted", "Prediction interrupted; please retry (code: PA)", form="error",
         trains=True),
    *_of("time-limit", "Prediction timed out.", "The job exceeded the time limit", form="error",
         trains=True),
    *_of("setup-failed", "Model setup failed", "Starting the container timed out (E6716)",
         form="error"),
    *_of("input-refused", "Input validation error: extra fields not permitted", form="error"),
]  # fmt: skip

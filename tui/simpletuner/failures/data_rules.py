"""Failures of the data: datasets, captions, images, and the storage they are read from."""

from __future__ import annotations

import re
from typing import Final

from tui.simpletuner.config.values import OptionValue
from tui.simpletuner.datasets import advice as data_advice
from tui.simpletuner.failures.rule import Advice, DiagnosisKind, Failure, Rule, Tier, whole

K = DiagnosisKind
_REPEATS: Final = re.compile(r"Minimum repeats required: (\d{1,6})")


def _repeats(failure: Failure) -> dict[str, OptionValue]:
    """The repeats that the trainer itself computed."""
    needed = _REPEATS.search(failure.text)
    return {"repeats": int(needed[1])} if needed and int(needed[1]) > 0 else {}


def _fewer_than(failure: Failure) -> dict[str, OptionValue]:
    """A batch that the number in the message allows."""
    limit = whole(failure.match[1]) if failure.match else None
    batch = whole(failure.config.get("train_batch_size")) or 4
    return {"train_batch_size": max(1, min(batch, limit or batch) // 2)} if batch > 1 else {}


DATA_RULES: Final = (
    Rule(
        "nsfw-rejected",
        K.NSFW,
        "refused by the NSFW filter",
        "The trainer's content filter judged at least one training image unsafe. It cannot be "
        "turned off in this container.",
        (
            r"Rejected NSFW sample during VAE cache preprocessing",
            (
                r"(?i:(?<![-/_\w])nsfw(?![-_/\w]).{0,120}(?:detect|reject|refus|block|flag|fail|found|"
                r"not allowed|violat|unsafe))"
            ),
            (
                r"(?i:(?:detect|reject|refus|block|flag|fail|found|unsafe)\w*.{0,120}(?<![-/_\w])nsfw"
                r"(?![-_/\w]))"
            ),
        ),
        (
            "Look at the images named in the lines below; replace those that could be misjudged.",
            "Two of its three classifiers must agree, so a crop or another picture often helps.",
        ),
        error_patterns=(r"(?i:(?<![-/_\w])nsfw(?![-_/\w]))",),
    ),
    Rule(
        "dataset-folder-missing",
        K.DATASET_MISSING,
        "dataset folder missing",
        "A local dataset points to a folder that does not exist in the trainer's container. When "
        "a dataloader is sent, this trainer does not unpack uploaded images.",
        (
            r"The following dataset directories do not exist",
            (
                r"(?i:(?:instance_data_dir|dataset (?:path|director|folder)|data director"
                r"|local dataset).{0,200}(?:not (?:exist|found|a directory)|missing|No such file))"
            ),
            (
                r"(?i:(?:not (?:exist|found)|missing|No such file).{0,200}"
                r"(?:instance_data_dir|dataset (?:path|director|folder)))"
            ),
        ),
        (
            Advice(data_advice.STAGE, data_advice.STAGED_DATA),
            "The dataloader of staged images names no folder of this machine.",
        ),
    ),
    Rule(
        "too-few-for-a-batch",
        K.NO_IMAGES,
        "too few images for a batch",
        "A group of images of one shape is smaller than batch × accumulation × GPUs, so it gives "
        "no batch.",
        (r"Dataset configuration will produce zero usable batches",),
        (
            Advice("Raise the datasets' repeats to what the trainer asks for.", _repeats),
            Advice("Train with a batch of one.", {"train_batch_size": 1}),
            Advice("Do without gradient accumulation.", {"gradient_accumulation_steps": 1}),
            "Use fewer GPUs, or crop to squares so that all images share one group.",
        ),
    ),
    Rule(
        "no-usable-samples",
        K.NO_IMAGES,
        "no usable images",
        "A dataset has no image left for a batch: it is too small for the batch, or its images "
        "were filtered out or never found.",
        (
            r"Dataset produced no usable samples",
            r"(?i:(?:produced|contains|has) (?:no|zero|0) (?:usable )?(?:images|training samples))",
        ),
        (
            Advice("Train with a batch of one.", {"train_batch_size": 1}),
            "Check the dataset's address, the endings of its files and, on the Hub, its columns.",
            "Images below minimum_image_size are left out: lower it, or send larger images.",
            "Raise the dataset's repeats.",
        ),
    ),
    Rule(
        "no-images-discovered",
        K.NO_IMAGES,
        "no images found",
        "The trainer found no image in a dataset.",
        (r"No images were discovered", r"No images (?:were )?found"),
        (
            "Check the dataset's address, and that it holds png, jpg or webp files.",
            "Images below minimum_image_size are left out: lower it, or send larger images.",
        ),
    ),
    Rule(
        "no-active-datasets",
        K.NO_IMAGES,
        "no dataset is active",
        "No dataset takes part when the training begins: its prefix is empty, it is planned for "
        "later steps, or no row of it has a caption.",
        (r"No datasets are active at the start of training",),
        (
            "Check the prefix and, on the Hub, caption_column.",
            "Remove start_epoch and start_step from at least one dataset.",
        ),
    ),
    Rule(
        "rank-without-samples",
        K.NO_IMAGES,
        "a GPU got no images",
        "After an epoch one of the GPUs was left without images. Random crops decide which.",
        (r"epoch rollover re-split left this rank with zero samples",),
        (
            Advice("Train on one GPU.", {"num_processes": 1}),
            "Use a fixed crop, or more repeats.",
            "Crops are random: the same run may also pass.",
        ),
        again="maybe",
    ),
    Rule(
        "conditioning-too-small",
        K.NO_IMAGES,
        "conditioning set too small",
        "A conditioning dataset has fewer than {1} images in its only group.",
        (r"single bucket with fewer than (\d+) images",),
        (
            Advice("Train with a smaller batch.", _fewer_than),
            "Or add images to the conditioning dataset.",
        ),
    ),
    Rule(
        "hub-caption-strategy",
        K.BAD_DATA,
        "captions of a Hub dataset",
        "A Hub dataset takes its captions from a column; the dataloader asks for another way.",
        (r"must be set to 'huggingface'", r"should use caption_strategy='huggingface'"),
        ("Remove caption_strategy from the Hub dataset and name its caption_column.",),
    ),
    Rule(
        "caption-strategy-unknown",
        K.BAD_DATA,
        "caption strategy not there",
        "The trainer has no caption strategy {1}.",
        (r"Unsupported caption strategy: ([^\s.,]+)",),
        ("Take textfile, filename, parquet, instanceprompt or huggingface.",),
    ),
    Rule(
        "caption-file-missing",
        K.BAD_DATA,
        "a caption file is missing",
        "An image has no caption beside it: {1}.",
        (r"Caption file (.+?) not found",),
        ("Add the text file, or remove the image.",),
    ),
    Rule(
        "image-left-out",
        K.BAD_DATA,
        "images without caption are left out",
        "The caption of an image could not be loaded. The image is left out, and the run goes on.",
        (r"Could not load caption for image",),
        ("Fill the captions, or correct caption_column.",),
        again="maybe",
        tier=Tier.NOTICE,
    ),
    Rule(
        "hub-caption-missing",
        K.BAD_DATA,
        "a row has no caption",
        "The Hub dataset has no caption for {1}: its row or its column is empty.",
        (r"Could not find caption for (\S+) in HuggingFace dataset",),
        ("Fill the column, or name the right one in caption_column.",),
    ),
    Rule(
        "instance-prompt-missing",
        K.BAD_DATA,
        "the instance prompt is missing",
        "A dataset takes one prompt for all images, and none is given.",
        (r"no instance_prompt was provided", r"requires? an? (?:non-empty prompt|instance_prompt)"),
        ("Add instance_prompt to the dataset.",),
    ),
    Rule(
        "caption-missing",
        K.BAD_DATA,
        "an image has no caption",
        "The table of captions has no row for an image.",
        (r"Could not (?:find|locate) caption for", r"CaptionNotFoundError"),
        ("Add the missing rows, or remove the images.",),
    ),
    Rule(
        "cmyk-image",
        K.BAD_DATA,
        "a CMYK image",
        "An image of the Hub dataset is in CMYK, which the trainer cannot store as PNG.",
        (r"cannot write mode CMYK as PNG",),
        ("Convert it to RGB and upload it again; staging does this by itself.",),
    ),
    Rule(
        "image-damaged",
        K.BAD_DATA,
        "a damaged or huge image",
        "An image cannot be read: it is damaged, cut off, or too large.",
        (r"UnidentifiedImageError", r"image file is truncated", r"DecompressionBombError"),
        ("Repair or remove the image named in the lines below.",),
    ),
    Rule(
        "metadata-file-name",
        K.BAD_DATA,
        "dataset metadata not valid",
        "The metadata of the Hub dataset lack `file_name`, or name a file that is not there.",
        (r"FileNotFoundError.*snapshots/", r"file_name. or .\*_file_name. must be present"),
        ("Correct metadata.jsonl: every row needs file_name with a file of the repository.",),
    ),
    Rule(
        "dataset-ids",
        K.BAD_DATA,
        "two datasets share an id",
        "Every dataset needs an id of its own.",
        (r"Each dataset needs a unique 'id'",),
        ("Rename one of the datasets.",),
    ),
    Rule(
        "backend-type-unknown",
        K.BAD_DATA,
        "dataset type not there",
        "The dataloader has a type that the trainer does not know.",
        (
            r"Unknown data backend type",
            r"Unknown backend type",
            r"Unknown dataset_type",
            r"dataset_type must be one of",
        ),
        ("Correct `type` or `dataset_type`; the line below names the value.",),
    ),
    Rule(
        "target-size-missing",
        K.BAD_DATA,
        "target_downsample_size is missing",
        "A dataset sets a maximum size and no size to shrink larger images to.",
        (r"must also provide a value for .*target_downsample_size",),
        ("Add target_downsample_size to the dataset, or remove its maximum size.",),
    ),
    Rule(
        "conditioning-missing",
        K.BAD_DATA,
        "a conditioning dataset is needed",
        "This model trains on pairs, and the dataloader has no conditioning dataset.",
        (r"Model requires a conditioning dataset",),
        ("Add a dataset of type conditioning and link it, or choose another flavour.",),
    ),
    Rule(
        "backend-link",
        K.BAD_DATA,
        "a linked dataset is missing",
        "A dataset refers to another one that the dataloader does not have.",
        (
            r"Conditioning data backend (\S+) not found",
            r"Text embed backend (\S+) not found",
            r"at least one text_embed dataset",
        ),
        (
            "Correct the id that is referred to.",
            "Older versions need a text_embeds entry: type local, default true, with a cache_dir.",
        ),
    ),
    Rule(
        "storage-access-denied",
        K.UPLOAD_FAILED,
        "storage denies access",
        "The keys may not write, list or read where the trainer has to.",
        (
            r"AccessDenied.*(?:PutObject|ListObjects|HeadObject|GetObject)",
            r"\(403\) when calling the HeadObject",
        ),
        (
            (
                "Give the keys the right to list, read and write the prefix: the trainer writes "
                "two files even where it only reads images."
            ),
        ),
    ),
    Rule(
        "storage-keys",
        K.UPLOAD_FAILED,
        "storage refuses the keys",
        "The bucket, its keys or the clock are not right.",
        (
            r"NoSuchBucket",
            r"InvalidAccessKeyId",
            r"SignatureDoesNotMatch",
            r"RequestTimeTooSkewed",
            r"ExpiredToken",
        ),
        (
            "Verify the destination on the Publishing screen: bucket, region and keys.",
            "Session keys that expired while the job waited need a longer life.",
        ),
    ),
    Rule(
        "endpoint-unreachable",
        K.NETWORK,
        "storage cannot be reached",
        "The trainer could not connect to the storage's address.",
        (r"Could not connect to the endpoint URL", r"EndpointConnectionError"),
        (
            "Check that the listener runs and that its public address is still the same.",
            "Then run it again.",
        ),
        again="yes",
    ),
    Rule(
        "vae-cache-image",
        K.BAD_DATA,
        "an image could not be cached",
        "The trainer could not read or encode an image while it filled its cache.",
        (r"not correctly cached during the VAE Cache operations",),
        ("Find the image in the lines above; repair or remove it.",),
        tier=Tier.GENERIC,
    ),
    Rule(
        "shapes-differ",
        K.BAD_DATA,
        "sizes do not fit",
        "Tensors of different sizes met: images of different sizes in one group, a resolution or "
        "a conditioning set that does not fit, or a VAE that does not belong to the model.",
        (
            r"unique shapes",
            r"Sizes of tensors must match",
            r"The size of tensor a \(\d+\) must match",
        ),
        (
            (
                "Check that model family and VAE belong together: with 4 against 16 channels they "
                "do not."
            ),
            "Give linked datasets the same resolution and crop.",
            "A cache of earlier settings is avoided with a new id for the dataset.",
        ),
        tier=Tier.GENERIC,
    ),
)

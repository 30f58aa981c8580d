"""Failures of the Hub: tokens, gated models, repositories, downloads, and the network."""

from __future__ import annotations

from typing import Final

from tui.simpletuner.failures.rule import Advice, DiagnosisKind, Rule, Tier

K = DiagnosisKind

HUB_RULES: Final = (
    Rule(
        "hub-token-not-found",
        K.BAD_TOKEN,
        "no Hub token was sent",
        "The config uploads to the Hub, and the trainer found no token.",
        (r"No Hugging Face Hub token found",),
        ("Store a Hub token with write access; the next job sends it.",),
    ),
    Rule(
        "gated-model",
        K.GATED_MODEL,
        "gated model",
        "The base model is gated on the Hub, and this token's account may not download it.",
        (
            r"GatedRepoError",
            r"(?i:\bgated repo)",
            r"(?<!\w)is gated",
            r"(?i:access to model \S+ is restricted)",
            r"(?i:awaiting a review)",
            r"You must have access to it",
            r"you are not in the authorized list",
        ),
        (
            (
                "Open the model's page on huggingface.co while signed in and accept its terms; the "
                "same run can succeed then."
            ),
            "Send the Hub token of that account with the job.",
            "Fine-grained tokens also need the permission to read gated repositories.",
        ),
        again="maybe",
    ),
    Rule(
        "hub-token-refused",
        K.BAD_TOKEN,
        "Hub token refused",
        "The Hub did not accept the token: it is wrong, has expired or was revoked.",
        (
            r"(?i:Failed to log ?in(?:to)? (?:to )?Hugging ?Face Hub)",
            r"(?i:invalid user token)",
            r"(?i:hugging ?face token is invalid)",
            r"(?i:invalid (?:username or password|credentials in authorization header))",
        ),
        (
            "Make a new token on huggingface.co and store it on the Publishing screen.",
            "A token that publishes needs write access to the repository.",
        ),
    ),
    Rule(
        "hub-namespace",
        K.HUB_ACCESS,
        "no right to that namespace",
        "The token may not create a repository in the namespace of hub_model_id.",
        (
            r"403 (?:Client Error|Forbidden).*(?:create|repos/create|namespace)",
            r"don't have the rights? to create",
            r"not authorized to create",
        ),
        (
            "Take a repository of your own account, or of an organisation you may write to.",
            "Use a token with write access; a fine-grained one must name the namespace.",
        ),
    ),
    Rule(
        "hub-name-invalid",
        K.HUB_ACCESS,
        "repository name not valid",
        "A repository's name has not the form owner/name.",
        (r"Repo id must (?:be in the form|use alphanumeric)", r"HFValidationError"),
        ("Correct the name; letters, digits, - _ and . are allowed, 96 characters at most.",),
    ),
    Rule(
        "hub-dataset-unreachable",
        K.HUB_ACCESS,
        "Hub dataset not reachable",
        "The dataset {1} does not exist, or is private and the trainer got no token for it.",
        (r"Dataset '(.+?)' doesn't exist on the Hub or cannot be accessed",),
        (
            "Check the dataset's name.",
            "For a private dataset the job must carry a Hub token, whatever its delivery.",
        ),
    ),
    Rule(
        "hub-repository-missing",
        K.HUB_ACCESS,
        "Hub repository not found",
        "A repository does not exist under that name, or is private and no token was sent.",
        (r"RepositoryNotFoundError", r"404 Client Error.*huggingface"),
        ("Check the repository's name.", "Send the token of an account that may read it."),
    ),
    Rule(
        "dataset-empty",
        K.NO_IMAGES,
        "the Hub dataset is empty",
        "The main branch of the dataset repository holds no data.",
        (r"EmptyDatasetError", r"doesn't contain any data files"),
        ("Upload the pictures to the main branch; a pinned revision does not help.",),
    ),
    Rule(
        "dataset-split",
        K.BAD_DATA,
        "dataset split not there",
        "The dataset has no split {1}.",
        (r'Unknown split "?(.+?)"?\. Should be one of',),
        ("Correct `split` in the dataloader; the line below lists the splits.",),
    ),
    Rule(
        "dataset-config",
        K.BAD_DATA,
        "dataset has several configs",
        "The Hub dataset has several configs, and the dataloader names none of them.",
        (r"Config name is missing", r"BuilderConfig .* not found"),
        ("Name one in `dataset_config` of the dataloader, or use splits.",),
    ),
    Rule(
        "dataset-card",
        K.BAD_DATA,
        "dataset card not valid",
        "The card of the Hub dataset describes its files wrongly.",
        (r"Expected data_files in YAML",),
        ("Correct the header of the dataset's README; names of splits hold no hyphen.",),
    ),
    Rule(
        "dataset-instruction",
        K.BAD_DATA,
        "no data at that address",
        "The address of the dataset gives no data.",
        (r'Instruction "(.+?)" corresponds to no data',),
        ("Use a plain address that ends in .zip, and check that the archive holds pictures.",),
    ),
    Rule(
        "base-model-layout",
        K.BASE_MODEL,
        "base model lacks a file",
        "The base model has not the layout that this family needs.",
        (r"does not appear to have a file named", r"Error no file named"),
        ("Remove pretrained_model_name_or_path: the flavour's own base model is used then.",),
    ),
    Rule(
        "tokenizer",
        K.BASE_MODEL,
        "tokenizer cannot be loaded",
        "The tokenizer's files or its library are missing.",
        (
            r"Can't load tokenizer",
            r"Couldn't instantiate the backend tokenizer",
            r"\bsentencepiece\b",
        ),
        (
            "Use the flavour's own base model.",
            "If it is in use already, another version of the model may have the library.",
        ),
    ),
    Rule(
        "remote-code",
        K.BASE_MODEL,
        "the repository carries code",
        "The repository needs its own code to be run in the trainer's container.",
        (r"(?:argument|option) .?trust_remote_code=True",),
        (
            Advice(
                "If you trust its author: turn trust_remote_code on. The code can read the job's "
                "tokens.",
                {"trust_remote_code": True},
            ),
        ),
    ),
    Rule(
        "download-damaged",
        K.NETWORK,
        "a download is damaged",
        "A downloaded file is incomplete or damaged.",
        (
            r"Consistency check failed",
            r"SafetensorError",
            r"MetadataIncompleteBuffer",
            r"header too (?:small|large)",
        ),
        ("Run it again.", "If it repeats, the file itself is bad: use another base model file."),
        again="maybe",
    ),
    Rule(
        "hub-throttled",
        K.NETWORK,
        "the Hub throttles",
        "The Hub answered that there are too many requests.",
        (r"429 Client Error", r"Too Many Requests", r"(?i:\brate limit)"),
        ("Wait some minutes, then run it again.", "With a token the limit is higher."),
        again="yes",
        tier=Tier.GENERIC,
    ),
    Rule(
        "network",
        K.NETWORK,
        "network trouble",
        "A service that the trainer needs could not be reached.",
        (
            (
                r"\b(?:ReadTimeout|ConnectTimeout|ConnectionError|ProtocolError|IncompleteRead"
                r"|RemoteDisconnected|Temporary failure in name resolution|50[0-4] Server Error)"
            ),
        ),
        ("Run it again later: the request itself is right.",),
        again="yes",
        tier=Tier.GENERIC,
    ),
    Rule(
        "hub-unauthorized",
        K.BAD_TOKEN,
        "Hub token refused",
        "The Hub did not accept the token, or none was sent where one is needed.",
        (r"401 Client Error", r"401 Unauthorized"),
        (
            "Validate the Hub token on the Publishing screen, or store a new one.",
            "A token that publishes needs write access to the repository.",
        ),
        tier=Tier.GENERIC,
    ),
)

"""Failures of the request itself: inputs, options and settings that the trainer refuses."""

from __future__ import annotations

from typing import Final

from tui.simpletuner.datasets import advice as data_advice
from tui.simpletuner.failures.rule import Advice, DiagnosisKind, Rule, Tier

K = DiagnosisKind

ARGUMENT_RULES: Final = (
    Rule(
        "unknown-option",
        K.BAD_SETTING,
        "an option is unknown",
        "This version of the trainer does not know: {1}.",
        (r"unrecognized arguments: (.+)",),
        (
            "Remove the option from the config, or correct its spelling.",
            "If it belongs to a newer SimpleTuner, choose a newer version of the model.",
        ),
    ),
    Rule(
        "value-not-allowed",
        K.BAD_SETTING,
        "a value is not allowed",
        "The option {1} does not take the value {2}.",
        (r"argument (--?\S+): invalid choice: (.+?) \(choose from",),
        ("Take one of the values that the line below lists.",),
    ),
    Rule(
        "value-of-wrong-type",
        K.BAD_SETTING,
        "a value has the wrong type",
        "The trainer cannot read the value of {1}.",
        (
            (
                r"argument (--?\S+): (?:invalid \w+ value|expected (?:one|at least one) argument"
                r"|Expected a boolean)"
            ),
            r"error: argument (--?\S+)",
        ),
        ("Give the option a value of the kind that it takes: a number, a switch or a text.",),
    ),
    Rule(
        "option-missing",
        K.BAD_SETTING,
        "an option is missing",
        "The trainer requires: {1}.",
        (r"the following arguments are required: (.+)",),
        ("Add the option to the config.",),
    ),
)
"""They come first: the line of such a refusal lists option names and values of all kinds."""

INPUT_RULES: Final = (
    Rule(
        "input-not-json",
        K.BAD_JSON,
        "an input is not valid JSON",
        "The trainer could not read a JSON text that was sent to it.",
        (r"looks like JSON but failed to parse", r"\bJSONDecodeError\b"),
        (
            (
                "Correct the config, dataloader or LyCORIS text named below; JSON allows no "
                "comments and no comma after the last entry."
            ),
        ),
    ),
    Rule(
        "input-file-missing",
        K.INPUT_FILE_MISSING,
        "a file named in an input is missing",
        "An input was taken for the path of a file, and the trainer's container has no such file.",
        (
            (
                r"(?i:(?:config|dataloader|lycoris)\w* file not found)(?<!JSON configuration "
                r"file not found)"
            ),
        ),
        ("Send the text itself: paths of this machine mean nothing there.",),
    ),
    Rule(
        "hub-token-missing",
        K.BAD_TOKEN,
        "no Hub token was sent",
        "The job delivers to the Hub, which needs a token.",
        (
            r"hf_token is required",
            r"\b[Tt]oken required\b",
            r"LocalTokenNotFoundError",
            r"you must use your personal account token",
        ),
        ("Store a Hub token with write access; the next job sends it.",),
    ),
    Rule(
        "no-data",
        K.NO_DATALOADER,
        "no data was sent",
        "The trainer got neither an archive of images nor a dataloader.",
        (
            (
                r"(?i:(?:provide|require|must|missing|either|need).{0,80}(?:\bimages?\b|archive)"
                r".{0,60}dataloader)"
            ),
            (
                r"(?i:(?:provide|require|must|missing|either|need).{0,80}dataloader.{0,60}"
                r"(?:\bimages?\b|archive))"
            ),
            r"(?i:(?:\bimages?\b|archive).{0,60}dataloader.{0,60}(?:required|missing|provided))",
            r"(?i:dataloader\w* (?:is |was )?(?:missing|required|not provided))",
        ),
        (
            Advice(data_advice.STAGE, data_advice.STAGED_DATA),
            "Or name a hosted dataset in the dataloader.",
        ),
    ),
    Rule(
        "archive-refused",
        K.ARCHIVE_REJECTED,
        "archive refused",
        "This version of the trainer refuses every archive of images: its check for unsafe paths "
        "compares a relative folder with absolute ones, so no member passes.",
        (r"(?i:Unsafe (?:zip|tar)\w* path)", r"(?i:Unsafe (?:archive|zip|tar) member)"),
        (
            Advice(data_advice.STAGE, data_advice.STAGED_DATA),
            "Or choose another version of the model, if there is one without this defect.",
        ),
    ),
    Rule(
        "archive-unreadable",
        K.UNSUPPORTED_ARCHIVE,
        "archive not readable",
        "The trainer could not open the archive of images. It takes zip and tar.",
        (
            r"(?i:unsupported (?:dataset )?archive)",
            r"\bBadZipFile\b",
            r"is not a (?:zip|tar) file",
            r"tarfile\.ReadError",
        ),
        (
            Advice(data_advice.STAGE, data_advice.STAGED_DATA),
            "A web address must give the archive itself, not a page; it may have expired.",
        ),
    ),
    Rule(
        "config-not-object",
        K.BAD_JSON,
        "no usable config was sent",
        "The config is missing, or it is not a JSON object.",
        (r"Config at .* must be a JSON object", r"No training config found"),
        ("Send a config of the form { option: value }.",),
    ),
    Rule(
        "optimizer-unknown",
        K.BAD_SETTING,
        "optimizer not there",
        "The container has no optimizer {1}.",
        (r"Optimizer (\S+) not found",),
        (
            Advice(
                "Take an optimizer that every version has: adamw_bf16.", {"optimizer": "adamw_bf16"}
            ),
        ),
    ),
    Rule(
        "epochs-not-zero",
        K.BAD_SETTING,
        "steps and epochs are both set",
        "The config sets steps, and the trainer's default of one epoch stands against it.",
        (r"you must set --num_train_epochs",),
        (Advice("Set num_train_epochs to 0, so that the steps count.", {"num_train_epochs": 0}),),
    ),
    Rule(
        "no-length",
        K.BAD_SETTING,
        "neither steps nor epochs are set",
        "Both max_train_steps and num_train_epochs are 0.",
        (r"You must specify either --max_train_steps or --num_train_epochs",),
        (Advice("Set the number of steps.", {"max_train_steps": 1000}),),
    ),
    Rule(
        "flavour-unknown",
        K.BAD_SETTING,
        "model flavour not there",
        "The model family has no such flavour, or needs one to be named.",
        (
            r"Model flavou?r (\S+) not found in",
            r"requires? an? ?model_flavou?r",
            r"requires? model_flavou?r",
        ),
        ("Take a flavour of the family; the check of a new job lists them.",),
    ),
    Rule(
        "family-unknown",
        K.BAD_SETTING,
        "model family not there",
        "This version of the trainer does not know the model family.",
        (r"Invalid model family specified",),
        ("Correct model_family, or choose a newer version of the model.",),
    ),
    Rule(
        "schnell-schedule",
        K.BAD_SETTING,
        "flux schnell needs its schedule",
        "Flux schnell trains with the fast schedule only.",
        (r"Schnell requires --flux_fast_schedule",),
        (Advice("Turn flux_fast_schedule on.", {"flux_fast_schedule": True}),),
    ),
    Rule(
        "lycoris-missing",
        K.BAD_SETTING,
        "LyCORIS settings did not arrive",
        "The config asks for LyCORIS, and the trainer found no settings for it.",
        (
            r"lora_type=lycoris requires",
            r"Could not find lycoris config",
            r"Lycoris config path",
            r"expected str, bytes or os\.PathLike object, not NoneType",
        ),
        ("Name the LyCORIS file in lycoris_config; the program sends its content.",),
    ),
    Rule(
        "lycoris-incomplete",
        K.BAD_SETTING,
        "LyCORIS settings lack a key",
        "The LyCORIS settings have no {1}.",
        (r"lycoris_config JSON must contain (\w+)",),
        ("Add the key to the LyCORIS file.",),
    ),
    Rule(
        "prompt-library-missing",
        K.DATASET_MISSING,
        "a file of this machine is named",
        "A setting names a file of another machine, such as a library of prompts.",
        (
            r"User prompt library not found",
            r"FileNotFoundError.*(?:prompt|/home/|/Users/|[A-Za-z]:\\)",
        ),
        ("Remove the path from the config, or put the content in its place.",),
    ),
    Rule(
        "tracker-unusable",
        K.BAD_SETTING,
        "tracker not usable",
        "The container cannot report to the tracker that the config names.",
        (r"Make sure to install wandb", r"wandb.*(?:api_key|API key|login)"),
        (
            Advice(
                "Report to no tracker; metrics are read from the log anyway.", {"report_to": "none"}
            ),
        ),
    ),
    Rule(
        "tracker-refused",
        K.BAD_SETTING,
        "tracker refused the run",
        "The tracker could not be set up, and the trainer stops then.",
        (r"Could not initialize trackers",),
        (
            Advice(
                "Report to no tracker; metrics are read from the log anyway.", {"report_to": "none"}
            ),
            "If the tracker's service was away, the same run can succeed later.",
        ),
        again="maybe",
    ),
    Rule(
        "config-not-parsed",
        K.BAD_SETTING,
        "the settings were refused",
        "The trainer could not read its settings; the line that says why was not found.",
        (
            r"Training configuration could not be parsed",
            r"Could not parse command line arguments",
            r"Failed to parse training configuration",
        ),
        ("Look at the first error in the log, just above.",),
        tier=Tier.CONSEQUENCE,
    ),
    Rule(
        "config-file-fallback",
        K.BAD_SETTING,
        "the settings were refused",
        "After refusing the settings the trainer looked for a config file, which is not there. "
        "The first error in the log is the cause.",
        (r"JSON configuration file not found",),
        ("Look at the first error in the log, just above.",),
        tier=Tier.CONSEQUENCE,
    ),
)

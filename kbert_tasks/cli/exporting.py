"""kbert-export: writes a trained task in a format of other programs."""

from collections.abc import Sequence

from ..exporting.export import FORMATS, TOLERANCE, check
from ..exporting.export import export as exported
from .command import Parser, command, file_options, tables


@command
def export(argv: Sequence[str]) -> None:
    parser = Parser(
        prog="kbert-export",
        description="Export a trained task as a folder with the model, tokenizer and a client that needs no kbert_tasks. "
        "The export is compared with Keras and fails if it differs.",
    )
    parser.add_argument("run", metavar="DIR", help="a folder written by kbert-train")
    parser.add_argument("output", metavar="OUT", help="the folder to create")
    parser.add_argument("--format", choices=FORMATS, required=True, help="format of the model")
    parser.add_argument(
        "--compare",
        metavar="F",
        help="file of texts for the comparison (default: the development or test texts of the run)",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="X",
        help=f"largest accepted difference of a probability (default {TOLERANCE:g}; with --int8, any)",
    )
    parser.add_argument(
        "--name", metavar="NAME", help="name of the model for model servers (default: the name of the folder DIR)"
    )
    parser.add_argument(
        "--int8", action="store_true", help="quantise the OpenVINO model to 8 bits; shows the scores before and after"
    )
    parser.add_argument(
        "--calibrate",
        metavar="F",
        help="file of texts for the calibration of --int8, such as the training file (default: the compared texts)",
    )
    file_options(parser)
    arguments = parser.parse_args(argv)
    tolerance = TOLERANCE if arguments.tolerance is None else arguments.tolerance
    check(arguments.format, tolerance, arguments.int8, arguments.calibrate is not None)
    files = {"compare": arguments.compare, "calibrate": arguments.calibrate}
    rows = tables(arguments, {name: file for name, file in files.items() if file is not None})
    print(
        exported(
            arguments.run,
            arguments.output,
            arguments.format,
            tolerance=arguments.tolerance,
            name=arguments.name,
            int8=arguments.int8,
            **rows,
        )
    )

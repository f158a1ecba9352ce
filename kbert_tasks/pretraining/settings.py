"""Settings of the pretraining steps: frozen dataclasses that define the command line options."""

from dataclasses import dataclass

from ..settings import AUTO, COMPILE, PRECISIONS, Options, option


@dataclass(frozen=True)
class VocabularySettings(Options):
    """Settings of `kbert-pretrain vocab`, see `vocabulary.learn` and `vocabulary.extend`."""

    size: int = option(8000, "number of tokens; fewer if the text does not have that many", least=1)
    cased: bool = option(False, "keep capital letters and accents")
    unused: int = option(99, "number of free slots, [unused1] and so on, for later extensions", least=0)
    min_count: int | None = option(
        None, "minimum number of occurrences of a token in the text (default 1, and 5 with --extend)", least=1
    )
    most: int | None = option(None, "maximum number of slots that --extend fills (default all)", least=1)
    text_column: str = option("text", "column of the text in tables")
    encoding: str | None = option(None, "encoding of text files (default: UTF-8, UTF-16 and GBK are detected)")


@dataclass(frozen=True)
class DataSettings(Options):
    """Settings of `kbert-pretrain data`, see `preparing.prepare`."""

    cased: bool | None = option(
        None,
        "keep capital letters and accents (default: as in the checkpoint, or if the vocabulary has all letters A to Z)",
    )
    held_out: float = option(0.01, "share of the documents that is held out for evaluation", least=0, below=1)
    whole_word_mask: bool = option(
        False, "find Chinese words with jieba, so that train can mask all tokens of a word together"
    )
    shard_tokens: int = option(1_000_000, "approximate number of tokens in each file of the prepared text", least=1)
    seed: int = option(1, "seed of all random numbers", least=0, most=2**31 - 1)
    text_column: str = option("text", "column of the text in tables")
    encoding: str | None = option(None, "encoding of text files (default: UTF-8, UTF-16 and GBK are detected)")


@dataclass(frozen=True)
class TrainingSettings(Options):
    """Settings of `kbert-pretrain train`."""

    steps: int = option(10000, "number of training steps", least=1)
    batch_size: int = option(64, "number of pairs of text parts in one training step", least=1)
    max_length: int = option(128, "maximum number of tokens of a pair, [CLS] and [SEP] included", least=8)
    learning_rate: float = option(
        1e-4, "highest learning rate: it rises to this value in the warm-up, then falls linearly to 0", above=0, most=1
    )
    warmup_steps: int | None = option(None, "number of warm-up steps (default a tenth of the steps)", least=0)
    weight_decay: float = option(
        0.01, "weight decay of the weight matrices (AdamW); biases and LayerNorm have none", least=0, below=1
    )
    dropout: float | None = option(
        None,
        "dropout rate during pretraining (default: the rates in the config); the config is saved unchanged",
        least=0,
        below=1,
    )
    global_clipnorm: float = option(1.0, "clip the global norm of the gradients to this value", above=0)
    whole_word_mask: bool = option(
        False, "mask either all tokens of a word or none; jieba finds the words of Chinese text"
    )
    save_every: int = option(1000, "save, and evaluate on held-out text, every N steps", least=1)
    held_out_batches: int = option(100, "maximum number of batches of held-out text in an evaluation", least=1)
    seed: int = option(1, "seed of all random numbers", least=0, most=2**31 - 1)
    precision: str = option(
        "auto",
        "number format in which BERT computes; auto: a 16-bit format if the hardware is faster with it, otherwise float32",
        choices=PRECISIONS,
    )
    compile: str = option(
        AUTO,
        "compile element-wise operations of BERT with XLA; auto: only if this saves more time than compiling takes",
        choices=COMPILE,
    )

    @property
    def warmup(self) -> int:
        """Number of warm-up steps."""
        return self.steps // 10 if self.warmup_steps is None else self.warmup_steps

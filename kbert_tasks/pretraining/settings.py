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
    encoding: str | None = option(None, "encoding of text files (default UTF-8, or GBK if the bytes show it)")


@dataclass(frozen=True)
class DataSettings(Options):
    """Settings of `kbert-pretrain data`, see `preparing.prepare`."""

    cased: bool | None = option(None, "keep capital letters and accents (default as the vocabulary does)")
    held_out: float = option(0.01, "share of the documents that is held out for evaluation", least=0, below=1)
    whole_word_mask: bool = option(False, "find Chinese words with jieba, to mask all characters of a word together")
    shard_tokens: int = option(1_000_000, "number of tokens in one file", least=1)
    seed: int = option(1, "seed of all random numbers", least=0, most=2**31 - 1)
    text_column: str = option("text", "column of the text in tables")
    encoding: str | None = option(None, "encoding of text files (default UTF-8, or GBK if the bytes show it)")


@dataclass(frozen=True)
class TrainingSettings(Options):
    """Settings of `kbert-pretrain train`."""

    steps: int = option(10000, "number of training steps", least=1)
    batch_size: int = option(64, "number of texts (sentence pairs) in one step", least=1)
    max_length: int = option(128, "maximum number of tokens of a text, [CLS] and [SEP] included", least=8)
    learning_rate: float = option(1e-4, "learning rate of AdamW after the warm-up", above=0, most=1)
    warmup_steps: int | None = option(None, "number of warm-up steps (default a tenth of the steps)", least=0)
    weight_decay: float = option(0.01, "weight decay of matrices; biases and LayerNorm have none", least=0, below=1)
    dropout: float | None = option(
        None, "while pretraining (default the config's, which is written in any case)", least=0, below=1
    )
    global_clipnorm: float = option(1.0, "clip the global norm of the gradients to this value", above=0)
    whole_word_mask: bool = option(False, "mask all pieces (in Chinese, by jieba, all characters) of a word together")
    save_every: int = option(1000, "number of steps between saves, each with an evaluation on held-out text", least=1)
    held_out_batches: int = option(100, "maximum number of held-out batches that are evaluated", least=1)
    seed: int = option(1, "seed of all random numbers", least=0, most=2**31 - 1)
    precision: str = option(
        "auto", "number format of the encoder; auto: the fastest format of the hardware", choices=PRECISIONS
    )
    compile: str = option(
        AUTO,
        "compile element-wise operations of the encoder with XLA; auto: if the training is long enough to save time",
        choices=COMPILE,
    )

    @property
    def warmup(self) -> int:
        """Number of warm-up steps."""
        return self.steps // 10 if self.warmup_steps is None else self.warmup_steps

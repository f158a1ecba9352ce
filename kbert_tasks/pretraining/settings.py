"""What each step of pretraining can be told: frozen dataclasses, which are also JSON and the command line's options."""

from dataclasses import dataclass

from ..settings import PRECISIONS, Options, option


@dataclass(frozen=True)
class VocabularySettings(Options):
    """Of `kbert-pretrain vocab`: what `vocabulary.learn` and `extend` take."""

    size: int = option(8000, "tokens; fewer come where the text has not that many", least=1)
    cased: bool = option(False, "keep capital letters and accents")
    unused: int = option(99, "free slots, [unused1] and so on, for words to come", least=0)
    min_count: int | None = option(
        None, "how often a token must stand in the text (default 1, and 5 with --extend)", least=1
    )
    most: int | None = option(None, "slots that --extend fills at most (default all)", least=1)
    text_column: str = option("text", "column of the text in tables")
    encoding: str | None = option(None, "of text files; by default UTF-8, or GBK where the bytes tell")


@dataclass(frozen=True)
class DataSettings(Options):
    """Of `kbert-pretrain data`: what `preparing.prepare` takes."""

    cased: bool | None = option(None, "keep capital letters and accents (default as the vocabulary does)")
    held_out: float = option(0.01, "share of the documents that is tested on and never trained on", least=0, below=1)
    whole_word_mask: bool = option(False, "find Chinese words with jieba, to mask all characters of a word together")
    shard_tokens: int = option(1_000_000, "tokens of one file", least=1)
    seed: int = option(1, "of everything drawn at random", least=0, most=2**31 - 1)
    text_column: str = option("text", "column of the text in tables")
    encoding: str | None = option(None, "of text files; by default UTF-8, or GBK where the bytes tell")


@dataclass(frozen=True)
class TrainingSettings(Options):
    """Of `kbert-pretrain train`."""

    steps: int = option(10000, "batches of the whole training", least=1)
    batch_size: int = option(64, "texts (pairs of parts) in one step", least=1)
    max_length: int = option(128, "tokens of a text, [CLS] and [SEP] included", least=8)
    learning_rate: float = option(1e-4, "of AdamW, at its highest", above=0, most=1)
    warmup_steps: int | None = option(None, "steps until it is there (default a tenth of the steps)", least=0)
    weight_decay: float = option(0.01, "of matrices; biases and LayerNorm have none", least=0, below=1)
    dropout: float | None = option(
        None, "while pretraining (default the config's, which is written in any case)", least=0, below=1
    )
    global_clipnorm: float = option(1.0, "largest norm of all gradients together", above=0)
    whole_word_mask: bool = option(False, "mask all pieces (in Chinese, by jieba, all characters) of a word together")
    save_every: int = option(1000, "steps from one save to the next, with a test on the held-out text", least=1)
    held_out_batches: int = option(100, "of the held-out text are tested on, at most", least=1)
    seed: int = option(1, "of everything drawn at random", least=0, most=2**31 - 1)
    precision: str = option(
        "auto", "numbers that the encoder computes in: the fastest of the hardware, or as told", choices=PRECISIONS
    )

    @property
    def warmup(self):
        """Steps."""
        return self.steps // 10 if self.warmup_steps is None else self.warmup_steps

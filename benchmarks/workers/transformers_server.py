"""A BERT of transformers behind FastAPI, as in most tutorials: each request tokenizes and computes its own text.

    python transformers_server.py RUN

It has the size and the vocabulary of RUN, a folder that kbert-train wrote, and random weights. FastAPI runs the function of each request
in one of its threads. It computes in bfloat16 if the processor has AMX or AVX-512 instructions for it, otherwise in float32.
"""

import json
import socket
import sys
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast


class Request(BaseModel):
    texts: list[str]


def application(run):
    about = json.loads((run / "task.json").read_text(encoding="utf-8"))
    labels = about["learned"]["labels_"]
    config = BertConfig(**json.loads((run / "bert_config.json").read_text(encoding="utf-8")), num_labels=len(labels))
    fast = "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    model = BertForSequenceClassification(config).eval().to(torch.bfloat16 if fast else torch.float32)
    tokenizer = BertTokenizerFast(str(run / "vocab.txt"), do_lower_case=not about["cased"])
    length, app = about["settings"]["max_length"], FastAPI()

    @app.post("/models/it/predict")
    def predict(asked: Request):
        answers = []
        for text in asked.texts:
            x = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
            with torch.inference_mode():
                p = model(**x).logits.float().softmax(-1)[0]
            best = int(p.argmax())
            answers.append({"label": labels[best], "probability": float(p[best])})
        return {"answers": answers}

    return app


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    host, port = listening.getsockname()
    app = application(Path(sys.argv[1]))
    print(f"http://{host}:{port}", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning")).run(sockets=[listening])

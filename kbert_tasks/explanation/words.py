"""The words of the HTML fragment of an explanation, in English and Chinese."""

ENGLISH = {
    "probability": "probability {p}", "predicted": "as predicted", "other": "not the prediction of the model",
    "unread": "not read in this window", "numbers": "Numbers", "token": "token", "value": "attribution",
    "sides": "against | for", "for": "solid line: supports the answer", "against": "dashed line: opposes it",
    "darker": "Darker means stronger; hover over a token to see its value.",
    "table": "Attribution of each token",
    "meaning": (
        "Integrated gradients, {steps} steps. The answer's log-odds are {score} for this text, {baseline} if each token is "
        "[MASK]; the attributions distribute the difference over the tokens. They add up to {sum}; the error is {delta}"
    ),
    "more": ": use more steps", "end": ".", "comma": ", ", "cut": " {cut} more tokens are outside this window.",
}  # fmt: skip
CHINESE = {
    "probability": "概率 {p}", "predicted": "与预测一致", "other": "不是模型的预测",
    "unread": "不在此窗口中", "numbers": "数值", "token": "词元", "value": "贡献",
    "sides": "反对 | 支持", "for": "实线：支持该答案", "against": "虚线：反对该答案",
    "darker": "颜色越深，贡献越大；把鼠标移到词元上可以看到数值。",
    "table": "各词元的贡献",
    "meaning": (
        "积分梯度，{steps} 步。该答案的对数几率对这段文本是 {score}，把每个词元都换成 [MASK] 时是 {baseline}；"
        "贡献把二者之差分配给各个词元。贡献之和为 {sum}，误差为 {delta}"
    ),
    "more": "：请增加步数", "end": "。", "comma": "，", "cut": "此窗口之外还有 {cut} 个词元。",
}  # fmt: skip
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}

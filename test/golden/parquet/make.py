"""Makes the Parquet files of this folder: python make.py, with pyarrow 26.0.1."""
import pyarrow as pa
import pyarrow.parquet as pq


def turns(*pairs):
    return [{"role": role, "content": content} for role, content in pairs]


talks = [turns(("user", f"question {i} 早安"), ("assistant", f"answer {i}")) for i in range(10)]
table = pa.table({"id": list(range(10)), "messages": talks})
for compression in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
    pq.write_table(table, f"messages_{compression}.parquet", compression=compression, row_group_size=4)

chosen = turns(("user", "question"), ("assistant", "good"))
rejected = turns(("user", "question"), ("assistant", "bad"))
pq.write_table(
    pa.table({"prompt": ["question"], "chosen": [chosen], "rejected": [rejected], "score": [0.5]}),
    "preference.parquet",
)
speakers = [{"from": "human", "value": "question"}, {"from": "gpt", "value": "answer"}]
pq.write_table(pa.table({"conversations": [speakers]}), "sharegpt.parquet")
pq.write_table(pa.table({"text": ["one", None, "", "four"]}), "nulls.parquet")

# Makes events.bin, the bytes that TensorBoard's own writer gives for the events of test/report/tensorboard.test.mjs:
#   python make_golden.py      with the packages of test/parity/tensorboard_requirements.txt
import pathlib

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

TIME = 1700000000.25


def text(value):
    one = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)])
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape=one, string_val=[value.encode()])
    plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="text")
    metadata = summary_pb2.SummaryMetadata(plugin_data=plugin)
    return {"tensor": tensor, "metadata": metadata}


def summary(values):
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, **value) for tag, value in values.items()])


def number(value):
    return {"simple_value": value}


LONG = "lang " * 4000  # its length takes three bytes
START = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
EVENTS = [
    event_pb2.Event(wall_time=TIME, file_version="brain.Event:2"),
    event_pb2.Event(wall_time=TIME, step=301, session_log=START),
    event_pb2.Event(wall_time=TIME, step=301, summary=summary({"train/loss": number(2.5), "train/lr": number(1e-3)})),
    event_pb2.Event(wall_time=TIME, summary=summary({"eval/loss": number(0.0)})),
    event_pb2.Event(wall_time=TIME, step=2**33, summary=summary({"eval/loss": number(float("inf"))})),
    event_pb2.Event(wall_time=TIME, step=400, summary=summary({"samples/1": text("**早安** 😀"), "long": text(LONG)})),
]

if __name__ == "__main__":
    with open(pathlib.Path(__file__).parent / "events.bin", "wb") as file:
        writer = RecordWriter(file)
        for event in EVENTS:
            writer.write(event.SerializeToString())
        writer.flush()

"""What TensorBoard reads from a folder of event files, by the code behind its server, as one JSON document:

    python tensorboard_reference.py FOLDER   ->   {scalars: {tag: [[step, value]]}, texts: {tag: [[step, text]]}}
"""
import json
import sys

from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

ALL = {"tensors": 0}


def read(folder):
    events = EventAccumulator(folder, size_guidance=ALL, tensor_size_guidance={"scalars": 0, "text": 0})
    events.Reload()
    read = {"scalars": {}, "texts": {}}
    for tag in events.Tags()["tensors"]:
        plugin = events.SummaryMetadata(tag).plugin_data.plugin_name
        points = [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
        if plugin == "scalars":
            read["scalars"][tag] = [[step, float(value)] for step, value in points]
        else:
            assert plugin == "text", plugin
            read["texts"][tag] = [[step, value.item().decode()] for step, value in points]
    return read


print(json.dumps(read(sys.argv[1])))

# CMakeLists.txt owns every flag; this only hands over to it, for tools that insist on node-gyp.
# package.json says "gypfile": false, so npm does not build by itself.
{
  "targets": [
    {
      "target_name": "tongueforge",
      "type": "none",
      "actions": [
        {
          "action_name": "build",
          "inputs": [],
          "outputs": ["build/Release/tongueforge.node"],
          "action": ["node", "scripts/build.mjs"],
        },
      ],
    },
  ],
}

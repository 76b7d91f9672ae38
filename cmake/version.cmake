# package.json holds the one version of the project.
file(READ ${CMAKE_CURRENT_SOURCE_DIR}/package.json package_json)
string(JSON TONGUEFORGE_VERSION GET "${package_json}" version)

# package.json holds the one version of the project: where it changes, Ninja or make configures anew.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/package.json)
file(READ ${CMAKE_CURRENT_SOURCE_DIR}/package.json package_json)
string(JSON TONGUEFORGE_VERSION GET "${package_json}" version)

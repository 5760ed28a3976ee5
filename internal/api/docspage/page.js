"use strict";

// Nothing here talks to another server: no validator, no fonts, no CDN.
SwaggerUIBundle({
  url: "../schema/?format=json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
});

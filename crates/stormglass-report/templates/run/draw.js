// Draws the picture, from back to front.

function draw() {
  layout.scroll = document.getElementById("scroll").scrollTop;
  const { width, height } = layout;
  context.textBaseline = "middle";
  context.clearRect(0, 0, width, height);
  context.save();
  context.translate(0, -layout.scroll);
  drawStripes();
  context.save();
  context.beginPath();
  context.rect(GUTTER, layout.scroll + TOP, width - GUTTER, height);
  context.clip();
  drawFaults();
  drawLanes();
  if (view.showMessages && !view.hiddenCategories.has(2)) drawMessages();
  drawPath();
  drawSelection();
  drawWaits();
  drawChance();
  drawMoments();
  context.restore();
  drawLabels();
  context.restore();
  drawAxis();
  drawOverview();
}

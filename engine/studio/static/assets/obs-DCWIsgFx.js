import{d as e,i as t,r as n}from"./line-ATnKN1lP.js";var r=`
attribute vec2 corner;
varying vec2 place;
void main() {
  place = vec2(corner.x, 1.0 - corner.y);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`,i=`
precision mediump float;
uniform sampler2D video;
uniform float half_row;
uniform vec4 ground;
varying vec2 place;
void main() {
  float y = clamp(place.y * 0.5, half_row, 0.5 - half_row);
  float alpha = texture2D(video, vec2(place.x, y + 0.5)).g;
  vec3 colour = min(texture2D(video, vec2(place.x, y)).rgb, alpha);
  gl_FragColor = vec4(colour, alpha) + ground * (1.0 - alpha);
}`,a=class{canvas;#e;#t;constructor(e,t){this.canvas=e;let n=e.getContext(`webgl`,{alpha:!0,premultipliedAlpha:!0,antialias:!1});if(n===null)throw Error(`This browser has no WebGL.`);this.#e=n;let a=n.createProgram();for(let[e,t]of[[n.VERTEX_SHADER,r],[n.FRAGMENT_SHADER,i]]){let r=n.createShader(e);if(r===null)throw Error(`The graphics card has gone away.`);n.shaderSource(r,t),n.compileShader(r),n.attachShader(a,r)}if(n.linkProgram(a),!n.getProgramParameter(a,n.LINK_STATUS))throw Error(n.getProgramInfoLog(a)??`The shader does not link.`);n.useProgram(a),n.bindBuffer(n.ARRAY_BUFFER,n.createBuffer()),n.bufferData(n.ARRAY_BUFFER,new Float32Array([0,0,1,0,0,1,1,1]),n.STATIC_DRAW);let o=n.getAttribLocation(a,`corner`);n.enableVertexAttribArray(o),n.vertexAttribPointer(o,2,n.FLOAT,!1,0,0),n.bindTexture(n.TEXTURE_2D,n.createTexture());for(let[e,t]of[[n.TEXTURE_MIN_FILTER,n.LINEAR],[n.TEXTURE_MAG_FILTER,n.LINEAR],[n.TEXTURE_WRAP_S,n.CLAMP_TO_EDGE],[n.TEXTURE_WRAP_T,n.CLAMP_TO_EDGE]])n.texParameteri(n.TEXTURE_2D,e,t);this.#t=n.getUniformLocation(a,`half_row`),n.uniform4fv(n.getUniformLocation(a,`ground`),t?[...t,1]:[0,0,0,0])}draw(e){let{videoWidth:t,videoHeight:n}=e;if(t===0||n<2)return;let r=this.#e;(this.canvas.width!==t||this.canvas.height!==n>>1)&&(this.canvas.width=t,this.canvas.height=n>>1,r.viewport(0,0,t,n>>1)),r.uniform1f(this.#t,.5/n),r.texImage2D(r.TEXTURE_2D,0,r.RGB,r.RGB,r.UNSIGNED_BYTE,e),r.drawArrays(r.TRIANGLE_STRIP,0,4)}},o=`first`,s=4e3,c=1e4,l=[500,1e3,2e3,3e3],u=new URLSearchParams(location.search),d=document.createElement(`video`),f=new e,p=t(`character`),m=new a(p,_(u.get(`chroma`))),h=0,g=performance.now();function _(e){if(e===null)return null;let[,t,n,r]=/^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(e)??[],i=e=>parseInt(e??`0`,16)/255,a=[i(t),i(n),i(r)];return document.body.style.background=`rgb(${a.map(e=>e*255).join(` `)})`,a}function v(){m.draw(d),h+=1,g=performance.now(),d.requestVideoFrameCallback(v)}async function y(){let{iceServers:e}=await f.config(),{signal:t}=new AbortController,r=await n(f,u.get(`session`)??o,`?packed-alpha=1`,{iceServers:e,signal:t});try{d.srcObject=r.received,d.play().catch(()=>{});let e=h;for(g=performance.now();;){await x(500);let t=h===e?c:s;if(performance.now()-g>t||r.connection.connectionState===`failed`)return}}finally{r.close(),d.srcObject=null}}async function b(){for(let e=0;;e++){let t=h;try{await y()}catch{}p.getContext(`webgl`)?.clear(WebGLRenderingContext.COLOR_BUFFER_BIT),h>t&&(e=0),await x(l[Math.min(e,l.length-1)])}}function x(e){return new Promise(t=>setTimeout(t,e))}p.addEventListener(`webglcontextlost`,e=>e.preventDefault()),p.addEventListener(`webglcontextrestored`,()=>{m=new a(p,_(u.get(`chroma`)))}),d.muted=!0,d.requestVideoFrameCallback(v),b();
"""What an image can be made of: frozen data that knows neither Azure ML nor Dagger nor Dockerfiles."""
